"""Wheels made at test time, and a package index on loopback that serves them."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import threading
import zipfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import pytest

HELD_SECONDS = 30.0


@dataclass(frozen=True)
class Wheel:
    """A pure wheel: its files, and what it needs."""

    name: str
    files: Mapping[str, str]
    version: str = "1.0"
    needs: Sequence[str] = ()

    @property
    def file(self) -> str:
        """Its file name."""
        return f"{self.name}-{self.version}-py3-none-any.whl"

    def build(self) -> bytes:
        """Return the wheel."""
        info = f"{self.name}-{self.version}.dist-info"
        metadata = [f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"]
        metadata += [f"Requires-Dist: {each}\n" for each in self.needs]
        members = dict(self.files) | {
            f"{info}/METADATA": "".join(metadata),
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},,\n" for path in [*members, f"{info}/RECORD"])
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as writing:
            for path, text in (members | {f"{info}/RECORD": record}).items():
                writing.writestr(path, text)
        return archive.getvalue()


def sdist(name: str, setup: str) -> tuple[str, bytes]:
    """Return file name and bytes of a source archive with this `setup.py`."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as writing:
        for path, text in {"setup.py": setup, "PKG-INFO": f"Name: {name}\nVersion: 1.0\n"}.items():
            member = tarfile.TarInfo(f"{name}-1.0/{path}")
            member.size = len(text)
            writing.addfile(member, io.BytesIO(text.encode()))
    return f"{name}-1.0.tar.gz", archive.getvalue()


@dataclass
class PackageIndex:
    """Serves files by the simple API; a context manager."""

    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    downloads: list[str] = field(default_factory=list[str])
    held: threading.Event = field(default_factory=threading.Event)
    """While it is not set, downloads begin and do not go on."""
    reached: threading.Event = field(default_factory=threading.Event)
    """Set when a download has begun."""

    def __post_init__(self) -> None:
        self.held.set()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.answer(self)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def address(self) -> str:
        """Of the server, without a path."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(self, *wheels: Wheel) -> None:
        """Offer wheels."""
        self.files |= {wheel.file: wheel.build() for wheel in wheels}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request: a project's page, or a file."""
        folder, _, name = request.path.strip("/").partition("/")
        body: bytes | None = None
        if folder == "simple":
            body = self._page(name.strip("/"))
        elif folder == "files":
            self.downloads.append(name)
            self.reached.set()
            self.held.wait(HELD_SECONDS)
            body = self.files.get(name)
        request.send_response(200 if body is not None else 404)
        request.send_header("Content-Type", "text/html")
        request.send_header("Content-Length", str(len(body or b"")))
        request.end_headers()
        request.wfile.write(body or b"")

    def _page(self, project: str) -> bytes | None:
        names = [f for f in self.files if f.partition("-")[0].replace("_", "-") == project]
        hashes = {name: hashlib.sha256(self.files[name]).hexdigest() for name in names}
        links = [f'<a href="/files/{n}#sha256={hashes[n]}">{n}</a>' for n in names]
        return "".join(links).encode() if links else None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.held.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def only_index(patch: pytest.MonkeyPatch) -> Generator[PackageIndex]:
    """Serve an index that pip uses alone: nothing of the machine's pip configuration applies."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        patch.delenv(name)
    with PackageIndex() as serving:
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_INDEX_URL", f"{serving.address}/simple")
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield serving
