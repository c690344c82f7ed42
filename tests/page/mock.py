"""A stand-in for whiskloop dev, until it is there: the same paths, one made-up action."""
import http.server, json, pathlib, queue, secrets, sys, threading, time

PAGE = pathlib.Path(__file__).resolve().parents[2] / "proxy/dev/page"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
CSP = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Mock:
    def __init__(self, port=0):
        self.token = secrets.token_hex(16)
        self.instance = secrets.token_hex(4)
        self.version = 1
        self.event_id = int(time.time() * 1000)
        self.history, self.listeners, self.activations = [], [], {}
        self.lock = threading.Lock()
        self.state = {"instance": self.instance, "name": "hello", "path": "hello/hello.py", "language": "python", "version": 1,
                      "state": "ready", "error": None, "limits": {"timeout_ms": 60000}, "inspect": None,
                      "examples": [{"name": "input.json", "value": {"name": "Mike"}},
                                   {"name": "input-2.json", "value": {"name": "Ann", "n": 12345678901234567890}}]}
        mock = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, data, kind="application/json"):
                if not isinstance(data, bytes):
                    data = json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind + "; charset=utf-8")
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Content-Security-Policy", CSP)
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                path = self.path
                if path == "/":
                    self.answer(200, (PAGE / "index.html").read_bytes().replace(b"@TOKEN@", mock.token.encode()), "text/html")
                elif path == "/dev/state":
                    self.answer(200, mock.state)
                elif path == "/dev/events":
                    mock.events(self)
                elif path.startswith("/dev/activations/"):
                    found = mock.activations.get(path.rsplit("/", 1)[1])
                    self.answer(200 if found else 404, found or {"error": "unknown"})
                else:
                    file = PAGE / pathlib.Path(path).name
                    if file.exists():
                        self.answer(200, file.read_bytes(), TYPES[file.suffix])
                    else:
                        self.answer(404, {"error": "?"})

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["X-Whiskloop-Token"] != mock.token:
                    self.answer(403, {"error": "token"})
                else:
                    self.answer(200, mock.invoke(json.loads(body)))

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def events(self, handler):
        mine = queue.Queue()
        with self.lock:
            first = [self.block("state", self.state)]
            last = int(handler.headers.get("Last-Event-ID") or 0)
            first += [text for number, text in self.history if number > last]
            self.listeners.append(mine)
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            for text in first:
                handler.wfile.write(text)
            while True:
                try:
                    text = mine.get(timeout=5)
                except queue.Empty:
                    text = b": ping\n\n"
                if text is None:
                    break
                handler.wfile.write(text)
        except OSError:
            pass
        handler.close_connection = True

    def block(self, name, data):
        self.event_id += 1
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (self.event_id, name.encode(), json.dumps(data).encode())

    def send(self, name, data):
        with self.lock:
            text = self.block(name, data)
            if name != "state":
                self.history.append((self.event_id, text))
                del self.history[:-2000]
            for listener in self.listeners:
                listener.put(text)

    def set_state(self, **more):
        self.state = {**self.state, **more}
        self.send("state", self.state)

    def invoke(self, body):
        value = body["value"]
        id = secrets.token_hex(16)
        us = int(800 * (1 + secrets.randbelow(30) / 10) * (20 if secrets.randbelow(12) == 0 else 1))
        answer, status, http = {"greeting": f"Hello, {value.get('name', 'World')}!"}, "ok", 200
        lines = [("stdout", f"greeting {value.get('name', 'World')}")]
        if "fail" in value:
            answer, status, http = {"error": "Traceback (most recent call last):\n  File \"hello.py\", line 3, in main\nKeyError: 'x'"}, "error", 502
            lines.append(("stderr", "KeyError: 'x'"))
        if "answer" in value:
            answer = value["answer"]
        if "big" in value:
            answer = {"items": [{"id": i, "name": f"item {i}", "tags": ["a", "b"], "x": i * 1.5} for i in range(value["big"])]}
        if "long" in value:
            answer = {"text": "x" * value["long"]}
        lines += [("stdout", t) for t in value.get("log", [])]
        started = int(time.time() * 1000)
        text = json.dumps(answer)
        record = {"id": id, "version": self.state["version"], "status": status, "http": http, "started": started, "duration_us": us,
                  "argument_bytes": len(json.dumps(value)), "answer_bytes": len(text), "memory_bytes": 11_534_336}
        log = [{"activation": id, "stream": s, "text": t, "time": started} for s, t in lines]
        self.activations[id] = {**record, "argument": value, "metadata": body.get("metadata", {}),
                                "answer": answer if len(text) < 262144 else None, "answer_truncated": len(text) >= 262144, "log": log}
        self.send("log", log)
        self.send("activation", record)
        return {"id": id, "http": http, "status": status, "duration_us": us, "answer": answer}

    def stop(self):
        for listener in self.listeners:
            listener.put(None)
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    print(Mock(int(sys.argv[1])).url)
    threading.Event().wait()
