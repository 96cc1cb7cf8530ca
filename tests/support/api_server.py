"""A server that speaks the API of OpenAI and behaves as it is told: its own process, one second.

As a script it takes its ways as JSON, prints its port, and serves until it is killed.
"""

import json
import signal
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
    `caches` (answers tell of it), `counts_hits` (its metrics do), `salts`, `engines` (in turn,
    each with a cache of its own), `forces`, `chat_only`, `others` (fields that it refuses),
    `metrics` (it has them, of two engines), `lies` (what is added to a metric each time that it
    is read), `says` (what answers say, word by word, unless their length is forced), `thinks` (so
    many first words of them are thoughts, where it chats), `most` (words of a prompt: longer ones
    are refused), `cuts` (it reads so many words of a prompt, and does not tell), `context` (it
    tells this length), `a_piece` (so many tokens in each piece).

    It embeds texts by the letters a to e, and transcribes recordings, unless it is `chat_only`.

    `models_break`: listing models is an error, after which it closes the connection.

    For those who launch it: `prints` (a line), `worker` (it starts a process that outlives it),
    `fails_at_once` (with this status), `deaf` (to SIGTERM), `loads_s` (before it listens).
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
    disable_nagle_algorithm = True  # else each answer begins 40 ms late
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
        if self.path == "/v1/models" and self.ways.get("models_break"):
            self.answer(500, {})
            time.sleep(0.3)  # what is asked next on this connection is not read any more
            self.close_connection = True
        elif self.path == "/v1/models" and self.let_in():
            self.answer(200, {"data": [self.model()]})
        elif self.path == "/metrics" and ("metrics" in self.ways or "lies" in self.ways):
            self.tell_metrics()
        elif self.path == "/version":
            self.answer(200, {"version": "1.2"})
        elif self.path != "/v1/models":
            self.answer(404, {"detail": "Not Found"})

    def model(self):
        more = {"max_model_len": self.ways["context"]} if "context" in self.ways else {}
        return {"id": "org/model", **more}

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
        content = self.rfile.read(int(self.headers["Content-Length"]))
        whole = {"/v1/embeddings": self.embed, "/v1/audio/transcriptions": self.transcribe}
        if self.path in whole and self.let_in() and not self.ways.get("chat_only"):
            whole[self.path](content)
            return
        body = json.loads(content)
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
        if len(self.prompt_of(body).split()) > self.ways.get("most", 1 << 60):
            self.answer(400, {"error": {"message": "maximum context length exceeded"}})
            return
        self.note("num_requests_running")
        try:
            self.stream(body, chat)
        finally:
            self.note("num_requests_running", -1)

    def prompt_of(self, body):
        return body["messages"][0]["content"] if "messages" in body else body["prompt"]

    def embed(self, content):
        texts = json.loads(content)["input"]
        vectors = [[text.count(letter) for letter in "abcde"] for text in texts]
        data = [{"index": n, "embedding": one} for n, one in enumerate(vectors)]
        usage = {"prompt_tokens": sum(min(len(text.split()), self.most_read) for text in texts)}
        usage = {"usage": usage} if self.ways.get("usage", True) else {}
        time.sleep(self.ways.get("token_s", 0.002))
        self.answer(200, {"data": data, **usage})

    def transcribe(self, content):
        named = b'filename="recording.ogg"' in content and b"OggS" in content
        time.sleep(self.ways.get("token_s", 0.002))
        if named and b'name="model"' in content:
            usage = {"type": "duration", "seconds": 1}
            self.answer(200, {"text": self.ways.get("says", "nothing"), "usage": usage})
        else:
            self.answer(400, {"error": {"message": "no recording"}})

    @property
    def most_read(self):
        return self.ways.get("cuts", 1 << 60)

    def stream(self, body, chat):
        prompt = self.prompt_of(body)
        salt = body.get("cache_salt") if self.ways.get("salts") else None
        with self.lock:
            Handler.asked += 1
            number = Handler.asked
            read = (prompt, salt, number % self.ways.get("engines", 1))
            found = read in Handler.read
            Handler.read.add(read)
        self.note("prefix_cache_queries_total", len(prompt.split()))
        self.note("prompt_tokens_total", len(prompt.split()))
        hits = len(prompt.split()) if found and self.ways.get("counts_hits") else 0
        self.note("prefix_cache_hits_total", hits)
        tokens = body["max_tokens"]
        if not self.ways.get("forces", True) and number % 2:
            tokens -= 1
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        broken = number > self.ways.get("fails_after", 1 << 60)
        words = None if body.get("ignore_eos") else self.ways.get("says", "").split()[:tokens]
        tokens = len(words) if words else tokens
        thoughts = self.ways.get("thinks", 0) if chat else 0
        a_piece = self.ways.get("a_piece", 1)
        for place in range(0, tokens, a_piece):
            time.sleep(self.ways.get("token_s", 0.002))
            if broken and place == 1:
                self.piece({"error": {"message": "out of memory"}})
                break
            said = " ".join(words[place : place + a_piece]) + " " if words else "a"
            name = "reasoning_content" if place < thoughts else "content"
            text = {"delta": {name: said}} if chat else {"text": said}
            self.note("generation_tokens_total", min(a_piece, tokens - place))
            self.piece({"choices": [{"index": 0, **text}]})
        self.note("request_success_total")
        if not broken:
            finish = "length" if tokens == body["max_tokens"] else "stop"
            self.piece({"choices": [{"index": 0, "finish_reason": finish, "text": ""}]})
            if self.ways.get("usage", True):
                read = min(len(prompt.split()), self.most_read)
                usage = {"prompt_tokens": read, "completion_tokens": tokens}
                if thoughts:
                    details = {"reasoning_tokens": min(thoughts, tokens)}
                    usage["completion_tokens_details"] = details
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
    request_queue_size = 128  # of connections that wait: a load opens all of its own at once

    def handle_error(self, request, client_address):
        """A client that has gone is none."""


if __name__ == "__main__":
    Handler.ways = json.loads(sys.argv[1])
    if line := Handler.ways.get("prints"):
        print(line, flush=True)
    if Handler.ways.get("worker"):  # it outlives the server, in a session of its own
        subprocess.Popen(["sleep", "1000"], start_new_session=True)
    if Handler.ways.get("deaf"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if status := Handler.ways.get("fails_at_once"):
        sys.exit(status)
    time.sleep(Handler.ways.get("loads_s", 0))
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
