"""Bytes over HTTP: resumed where they were cut, tried a bounded number of times, never waited for without end."""

import contextlib
import os
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import certifi
import httpx

from conch.contracts.errors import ConchError, NotFound, PermissionDenied, Unavailable

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes there will be."""


@dataclass(frozen=True, slots=True)
class Patience:
    attempts: int = 6
    """Connections made for one download before it is given up."""
    pause_s: float = 0.5
    """Before the second attempt; doubled before each further one."""
    silence_s: float = 20.0
    """The longest wait for a connection, or for its next bytes."""
    attempt_s: float = 600.0
    """The longest life of one connection, however it drips."""


class RangesIgnored(Unavailable):
    """The server answers a request for a range with the whole file."""


class _Interrupted(Exception):
    """This attempt is over; another may succeed."""


class Transfer:
    """Credentials come from ~/.netrc, proxies from the environment, trust from the system's certificates."""

    def __init__(self, client: httpx.Client, patience: Patience = Patience()) -> None:
        self._client = client
        self._patience = patience

    def length(self, url: str) -> int:
        """Bytes of the whole file; raises RangesIgnored where only the whole file can be had."""
        for attempt in self._attempts(url):
            with attempt, self._get(url, 0, 1) as response:
                _check_range(response, 0)
                return int(response.headers["content-range"].rpartition("/")[2])
        raise AssertionError  # _attempts ends with an error or a return

    def read(self, url: str, start: int, size_bytes: int) -> bytes:
        """A small range, in memory."""
        for attempt in self._attempts(url):
            with attempt, self._get(url, start, size_bytes) as response:
                _check_range(response, start)
                return b"".join(self._body(response, size_bytes))
        raise AssertionError  # as above

    def resume(self, url: str, start: int, size_bytes: int, target: Path, progress: Progress) -> None:
        """Append to `target` until it holds `size_bytes` of the file, from `start` on; what it holds is kept."""
        target.touch()
        for attempt in self._attempts(url):
            held = target.stat().st_size
            if held >= size_bytes:
                os.truncate(target, size_bytes)
                return progress(size_bytes, size_bytes)
            with attempt, self._get(url, start + held, size_bytes - held) as response, target.open("ab") as sink:
                if start == 0 and response.status_code == httpx.codes.OK:
                    sink.truncate(held := 0)
                else:
                    _check_range(response, start + held)
                for chunk in self._body(response, size_bytes - held):
                    sink.write(chunk)
                    held += len(chunk)
                    progress(held, size_bytes)
                return None
        raise AssertionError  # as above

    def whole(self, url: str, target: Path, progress: Progress) -> None:
        """The file from its first byte to its last: for servers that know no ranges."""
        for attempt in self._attempts(url):
            with attempt, self._client.stream("GET", url, headers=_IDENTITY) as response, target.open("wb") as sink:
                _raise_for(response)
                if "content-length" not in response.headers:
                    raise Unavailable(f"{url} does not tell its length")
                held, size_bytes = 0, int(response.headers["content-length"])
                for chunk in self._body(response, size_bytes):
                    sink.write(chunk)
                    held += len(chunk)
                    progress(held, size_bytes)
                return
        raise AssertionError  # as above

    def _attempts(self, url: str) -> Iterator[contextlib.AbstractContextManager[None]]:
        """One context an attempt: it swallows what may pass, and the next attempt follows after a pause."""
        failures: list[Exception] = []
        for attempt in range(self._patience.attempts):
            if attempt:
                time.sleep(self._patience.pause_s * 2 ** (attempt - 1))
            yield _swallowing(failures)
        last = failures[-1]
        raise Unavailable(f"{url} failed {len(failures)} times, last with {type(last).__name__}: {last}") from last

    @contextlib.contextmanager
    def _get(self, url: str, start: int, size_bytes: int) -> Iterator[httpx.Response]:
        headers = _IDENTITY | {"range": f"bytes={start}-{start + size_bytes - 1}"}
        with self._client.stream("GET", url, headers=headers) as response:
            _raise_for(response)
            yield response

    def _body(self, response: httpx.Response, size_bytes: int) -> Iterator[bytes]:
        """Exactly `size_bytes`: a body that ends early is an interruption, what comes beyond is not read."""
        ends_at = time.monotonic() + self._patience.attempt_s
        missing = size_bytes
        for chunk in response.iter_raw():
            yield chunk[:missing]
            missing -= min(missing, len(chunk))
            if not missing:
                return
            if time.monotonic() > ends_at:
                raise _Interrupted(f"took longer than {self._patience.attempt_s:.0f} s")
        if missing:
            raise _Interrupted(f"ended {missing} bytes early")


@contextlib.contextmanager
def opening(patience: Patience = Patience()) -> Iterator[Transfer]:
    """A transfer whose connections are closed in the end."""
    with httpx.Client(
        verify=_system_trust(), follow_redirects=True, timeout=httpx.Timeout(patience.silence_s)
    ) as client:
        yield Transfer(client, patience)


_IDENTITY = {"accept-encoding": "identity"}
"""A compressed body cannot be resumed, nor its ranges found."""


@contextlib.contextmanager
def _swallowing(failures: list[Exception]) -> Iterator[None]:
    try:
        yield
    except (httpx.TransportError, _Interrupted) as error:
        failures.append(error)


def _raise_for(response: httpx.Response) -> None:
    status, url = response.status_code, str(response.request.url)
    if status in {408, 425, 429} or status >= 500:
        raise _Interrupted(f"answered {status}")
    if status >= 400:
        refusals: dict[int, type[ConchError]] = {401: PermissionDenied, 403: PermissionDenied, 404: NotFound}
        raise refusals.get(status, Unavailable)(f"{url} answered {status}")


def _check_range(response: httpx.Response, start: int) -> None:
    if response.status_code != httpx.codes.PARTIAL_CONTENT:
        raise RangesIgnored(f"{response.request.url} can be had only whole")
    told = response.headers.get("content-range", "")
    if not told.startswith(f"bytes {start}-"):
        raise _Interrupted(f"asked for bytes from {start}, got {told!r}")


def _system_trust() -> ssl.SSLContext:
    """The system's certificates, or those of SSL_CERT_FILE and SSL_CERT_DIR; certifi's where there are none."""
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and paths.capath is None:
        context.load_verify_locations(certifi.where())
    return context
