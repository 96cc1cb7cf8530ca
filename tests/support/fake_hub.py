"""A hub on this machine: the few addresses of the Hugging Face hub that loading asks for.

It serves folders as repositories, each with one commit, so that the real loading code of
huggingface_hub, transformers and datasets is exercised without a network.
"""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Serves `models` and `datasets`, by id, from folders."""

    def __init__(self, models: dict[str, Path], datasets: dict[str, Path]) -> None:
        """Listen on a free port of the loopback interface."""
        repositories = {("models", name): folder for name, folder in models.items()}
        repositories |= {("datasets", name): folder for name, folder in datasets.items()}
        requests: list[str] = []

        class Handler(_Handler):
            pass

        Handler.repositories, Handler.requests = repositories, requests
        self.requests = requests
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    repositories: dict[tuple[str, str], Path]
    requests: list[str]

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.requests.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = path.strip("/").split("/")
        if path == "/":
            self._send(200, b"")
        elif parts[0] == "api" and len(parts) >= 4:
            self._api(parts[1], "/".join(parts[2:4]), parts[4:], body)
        else:
            kind = "datasets" if parts[0] == "datasets" else "models"
            parts = parts[1:] if kind == "datasets" else parts
            if len(parts) < 5 or parts[2] != "resolve":
                self._missing("EntryNotFound")
                return
            self._resolve(kind, "/".join(parts[:2]), parts[3], "/".join(parts[4:]))

    def _resolve(self, kind: str, name: str, revision: str, file: str) -> None:
        folder = self.repositories.get((kind, name))
        if folder is None:
            self._missing("RepoNotFound", 401)
        elif revision not in ("main", COMMIT):
            self._missing("RevisionNotFound")
        elif not (folder / file).is_file():
            self._missing("EntryNotFound")
        else:
            data = (folder / file).read_bytes()
            etag = hashlib.sha256(data).hexdigest()
            self._send(200, data, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})

    def _api(self, kind: str, name: str, rest: list[str], body: bytes) -> None:
        folder = self.repositories.get((kind, name))
        if folder is None:
            self._missing("RepoNotFound", 401)
            return
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        entries = [
            {
                "type": "file",
                "path": str(file.relative_to(folder)),
                "size": file.stat().st_size,
                "oid": hashlib.sha1(file.read_bytes()).hexdigest(),
            }
            for file in files
        ]
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in ("main", COMMIT):
            self._missing("RevisionNotFound")
        elif not rest or rest[0] == "revision":
            siblings = [{"rfilename": entry["path"]} for entry in entries]
            self._json({"id": name, "sha": COMMIT, "siblings": siblings, "private": False})
        elif rest[0] == "tree":
            inside = "/".join(rest[2:])
            wanted = [e for e in entries if not inside or e["path"].startswith(f"{inside}/")]
            self._json(wanted) if wanted else self._missing("EntryNotFound")
        elif rest[0] == "paths-info":
            asked = json.loads(body)["paths"]
            self._json([entry for entry in entries if entry["path"] in asked])
        else:
            self._missing("EntryNotFound")

    def _json(self, content: object) -> None:
        self._send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _missing(self, code: str, status: int = 404) -> None:
        self._send(status, b"", {"X-Error-Code": code})

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
