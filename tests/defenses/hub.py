"""A hub in miniature: a cache in its own layout, and a server that counts what it is asked for."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cached(cache: Path, repository: str, files: Mapping[str, bytes], revision: str = "main") -> Path:
    """What a download of these files leaves in a cache: blobs by hash, a snapshot of links, and a reference."""
    home = cache / f"models--{repository.replace('/', '--')}"
    snapshot = home / "snapshots" / COMMIT
    for folder in (home / "blobs", home / "refs", snapshot):
        folder.mkdir(parents=True, exist_ok=True)
    (home / "refs" / revision).write_text(COMMIT)
    for name, content in files.items():
        blob = home / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / name).parent.mkdir(parents=True, exist_ok=True)
        (snapshot / name).symlink_to(blob)
    return snapshot


def offline(cache: Path, patch: pytest.MonkeyPatch) -> None:
    """No network; the hub's cache is this folder."""
    patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))


@contextmanager
def serving(files: Mapping[str, bytes], cache: Path, patch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub on this machine whose every repository holds these files; gives what it has been asked for so far."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            asked.append(f"{self.command} {self.path}")
            path = self.path.partition("?")[0]
            if path.startswith("/api/"):
                tree = [{"type": "file", "path": name, "size": len(files[name]), "oid": "0" * 40} for name in files]
                info = {"id": "owner/net", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
                content = json.dumps(tree if "/tree/" in path else info).encode()
            else:
                content = files[path.split("/resolve/")[1].partition("/")[2]]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *words: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    patch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    patch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        f"http://127.0.0.1:{server.server_port}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
    )
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def as_file(state: Mapping[str, torch.Tensor], kind: str) -> bytes:
    """Weights as the hub holds them: 'safetensors' or 'bin'."""
    from safetensors.torch import save

    if kind == "safetensors":
        return save(dict(state), {"format": "pt"})
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)
