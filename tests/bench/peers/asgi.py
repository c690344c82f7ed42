"""asgi - the sample function in uvicorn's own process: asgi.py PORT."""

import json
import sys

import uvicorn


def main(args):
    return {"greeting": f"Hello, {args.get('name', 'World')}!"}


async def app(scope, receive, send):
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = json.dumps(main(json.loads(body).get("value") or {}), separators=(",", ":")).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]})
    await send({"type": "http.response.body", "body": answer})


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", lifespan="off",
            access_log=False, log_level="error")
