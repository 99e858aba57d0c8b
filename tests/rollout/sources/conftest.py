"""A real S3 server: rclone, which serves a folder's folders as buckets."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from conch.rollout.sources.address import SourceAddress
from conch.stack.serving import free_ports
from tests.settling import becomes

HOST = "127.0.0.1"
KEY, SECRET = "a-key", "a-long-secret"


@dataclass(frozen=True)
class S3:
    folder: Path
    endpoint: str

    def address(self, prefix: str = "", **options) -> SourceAddress:
        return SourceAddress("s3", f"s3://models/{prefix}", self.endpoint, "us-east-1", **options)

    def put(self, path: str, content: bytes) -> None:
        target = self.folder / "models" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    folder = tmp_path_factory.mktemp("buckets")
    (port,) = free_ports(1)
    rclone = Path(sys.executable).with_name("rclone")
    # Without the cache of its directory: what a test puts there is there at once.
    options = ["--auth-key", f"{KEY},{SECRET}", "--dir-cache-time", "0s", "--vfs-cache-mode", "off"]
    process = subprocess.Popen(
        [rclone, "serve", "s3", "--addr", f"{HOST}:{port}", "--config", os.devnull, *options, folder],
        stderr=subprocess.DEVNULL,
    )
    try:
        assert becomes(lambda: _answers(port), True, within_s=60)
        yield S3(folder, f"http://{HOST}:{port}")
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(port: int) -> bool:
    try:
        httpx.get(f"http://{HOST}:{port}/", timeout=5)
    except httpx.HTTPError:
        return False
    return True


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """Its bucket `models` is empty, and we have its key."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    (s3_server.folder / "models").mkdir()
    yield s3_server
    shutil.rmtree(s3_server.folder / "models")
