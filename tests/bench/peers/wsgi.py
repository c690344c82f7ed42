"""wsgi - the sample function in bjoern's own process: wsgi.py PORT PROCESSES."""

import json
import os
import sys

import bjoern


def main(args):
    return {"greeting": f"Hello, {args.get('name', 'World')}!"}


def app(environ, start_response):
    body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    answer = json.dumps(main(body.get("value") or {}), separators=(",", ":")).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]


bjoern.listen(app, "127.0.0.1", int(sys.argv[1]))
for _ in range(int(sys.argv[2]) - 1):
    if os.fork() == 0:
        break
bjoern.run()
