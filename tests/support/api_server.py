"""A server that speaks the API of OpenAI and behaves as it is told: its own process, one second.

As a script it takes its ways as JSON, prints its port, and serves until it is killed.
"""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

KEY = "sk-secret-of-the-test"


@contextmanager
def api_server(**ways) -> Iterator[tuple[str, subprocess.Popen]]:
    """Serve while this lasts; gives the address and the process.

    Ways: `token_s`, `fails_after` (requests, then errors come in mid-stream), `key`, `usage`,
    `caches`, `salts`, `forces`, `chat_only`, `others` (fields that it refuses), `metrics` (it has
    them, of two engines), `lies` (what is added to a metric each time that it is read).
    """
    process = subprocess.Popen(
        [sys.executable, __file__, json.dumps(ways)], stdout=subprocess.PIPE, text=True
    )
    try:
        port = int(process.stdout.readline())
        yield f"http://127.0.0.1:{port}/v1", process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    ways: ClassVar[dict]
    asked = 0
    read: ClassVar[set] = set()
    lock = threading.Lock()
    looks = 0
    told: ClassVar[Counter] = Counter()

    def log_message(self, *_):
        pass

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/v1/models" and self.let_in():
            self.answer(200, {"data": [{"id": "org/model"}]})
        elif self.path == "/metrics" and ("metrics" in self.ways or "lies" in self.ways):
            self.tell_metrics()
        elif self.path == "/version":
            self.answer(200, {"version": "1.2"})
        elif self.path != "/v1/models":
            self.answer(404, {"detail": "Not Found"})

    def tell_metrics(self):
        lines = ["# TYPE vllm:request_success_total counter", "other_total 7"]
        with self.lock:
            Handler.looks += 1
            more = Counter({k: v * self.looks for k, v in self.ways.get("lies", {}).items()})
            for name in sorted({*self.told, *more}):
                for engine, value in enumerate((self.told[name], more[name])):
                    lines.append(f'{name}{{engine="{engine}",why="a }} b"}} {float(value)}')
        body = "\n".join(lines).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def note(self, name, more=1):
        with self.lock:
            self.told[f"vllm:{name}"] += more

    def let_in(self):
        wanted = self.ways.get("key")
        if wanted and self.headers.get("Authorization") != f"Bearer {wanted}":
            self.answer(401, {"error": {"message": f"wrong key {wanted}"}})
            return False
        return True

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chat = "messages" in body
        wanted = "/v1/chat/completions" if chat else "/v1/completions"
        if not self.let_in():
            return
        if self.path != wanted or (self.ways.get("chat_only") and not chat):
            self.answer(404, {"detail": "Not Found"})
            return
        refused = sorted(set(self.ways.get("others", ())) & body.keys())
        if refused:
            self.answer(422, {"detail": f"Unexpected fields: {refused}"})
            return
        self.note("num_requests_running")
        try:
            self.stream(body, chat)
        finally:
            self.note("num_requests_running", -1)

    def stream(self, body, chat):
        prompt = body["messages"][0]["content"] if chat else body["prompt"]
        salt = body.get("cache_salt") if self.ways.get("salts") else None
        with self.lock:
            Handler.asked += 1
            number, found = Handler.asked, (prompt, salt) in Handler.read
            Handler.read.add((prompt, salt))
        self.note("prefix_cache_queries_total", len(prompt.split()))
        self.note("prefix_cache_hits_total", 0)
        tokens = body["max_tokens"]
        if not self.ways.get("forces", True) and number % 2:
            tokens -= 1
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        broken = number > self.ways.get("fails_after", 1 << 60)
        for place in range(tokens):
            time.sleep(self.ways.get("token_s", 0.002))
            if broken and place == 1:
                self.piece({"error": {"message": "out of memory"}})
                break
            text = {"delta": {"content": "a"}} if chat else {"text": "a"}
            self.note("generation_tokens_total")
            self.piece({"choices": [{"index": 0, **text}]})
        self.note("request_success_total")
        if not broken:
            finish = "length" if tokens == body["max_tokens"] else "stop"
            self.piece({"choices": [{"index": 0, "finish_reason": finish, "text": ""}]})
            if self.ways.get("usage", True):
                read = len(prompt.split())
                usage = {"prompt_tokens": read, "completion_tokens": tokens}
                if self.ways.get("caches"):
                    usage["prompt_tokens_details"] = {"cached_tokens": read if found else 0}
                self.piece({"choices": [], "usage": usage})
            self.write("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def piece(self, content):
        self.write(f"data: {json.dumps(content)}\n\n")

    def write(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that has gone is none."""


if __name__ == "__main__":
    Handler.ways = json.loads(sys.argv[1])
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
