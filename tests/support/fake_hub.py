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
DATE = "2026-06-15"


class FakeHub:
    """Serves `models` and `datasets`, by id, from folders."""

    def __init__(
        self,
        models: dict[str, Path],
        datasets: dict[str, Path],
        spaces: dict[str, Path] | None = None,
        renamed: dict[str, str] | None = None,
    ) -> None:
        """Listen on a free port of the loopback interface; `renamed` gives the new names of old."""
        repositories = {("models", name): folder for name, folder in models.items()}
        repositories |= {("datasets", name): folder for name, folder in datasets.items()}
        repositories |= {("spaces", name): folder for name, folder in (spaces or {}).items()}
        requests: list[str] = []

        class Handler(_Handler):
            pass

        Handler.repositories, Handler.requests = repositories, requests
        Handler.renamed, Handler.withheld = renamed or {}, set()
        self.requests, self.withheld = requests, Handler.withheld
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def withhold(self, name: str, file: str) -> None:
        """List a file, and do not give it."""
        self.withheld.add(f"{name}/{file}")

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    repositories: dict[tuple[str, str], Path]
    requests: list[str]
    renamed: dict[str, str]
    withheld: set[str]

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
        old = next((name for name in self.renamed if f"/{name}/" in f"{path}/"), "")
        if path == "/":
            self._send(200, b"")
        elif old:
            self._send(307, b"", {"Location": path.replace(old, self.renamed[old])})
        elif parts[0] == "api" and len(parts) >= 4:
            self._api(parts[1], "/".join(parts[2:4]), parts[4:], body)
        else:
            kind = parts[0] if parts[0] in ("datasets", "spaces") else "models"
            parts = parts if kind == "models" else parts[1:]
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
        elif f"{name}/{file}" in self.withheld or not (folder / file).is_file():
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
            about = {"id": name, "sha": COMMIT, "siblings": siblings, "private": False}
            self._json(about | {"lastModified": f"{DATE}T10:00:00.000Z"})
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
