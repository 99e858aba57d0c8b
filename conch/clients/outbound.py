"""The one HTTP client for calls that leave the site: it calls what is allowed, and nothing that those lead to.

    async with Outbound(Allowed(["https://hooks.example.com/conch/"])) as outbound:
        answer = await outbound.send(Call("POST", url, content=body, deadline_s=5.0))

Each call resolves its host anew, checks every address it has, and connects to one of those that were checked: what a
name server says a moment later has no effect. No redirect is followed, no proxy or netrc of the environment is read.
"""

import asyncio
import email.utils
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import httpx

from conch.clients.allowed import Allowed, IpAddress, parse, plain
from conch.contracts.errors import (
    ConchError,
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    TooMuch,
    Unauthenticated,
    Unavailable,
)

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host; raises OSError where it has none."""

MOST_RETRY_AFTER_S = 3600.0


class AlreadyThere(InvalidRequest):
    """409: what was to be made has been made before."""


_REFUSALS: dict[int, type[ConchError]] = {
    401: Unauthenticated,
    403: PermissionDenied,
    404: NotFound,
    408: DeadlineExceeded,
    409: AlreadyThere,
    504: DeadlineExceeded,
}


class Unreached(Unavailable):
    """No connection came about: nothing of the request was sent."""


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    url: str
    deadline_s: float
    """For everything: the name, the connection, the answer to its last byte."""
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """One of 200 to 299; every other is an error."""

    status: int
    headers: Mapping[str, str]
    """Names in small letters."""
    content: bytes


async def resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Outbound:
    def __init__(
        self,
        allowed: Allowed,
        *,
        max_answer_bytes: int = 2**20,
        connect_s: float = 5.0,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        """`connect_s` is of each address of a host. `tls`: whom to trust, where that is not certifi's list."""
        self._allowed = allowed
        self._max_answer_bytes = max_answer_bytes
        self._connect_s = connect_s
        self._tls = tls
        self._resolve = resolve

    async def __aenter__(self) -> Self:
        # Nothing is kept open: a connection that is used again was checked for another call, and maybe another name.
        self._transport = httpx.AsyncHTTPTransport(
            verify=self._tls or httpx.create_ssl_context(trust_env=False),
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def send(self, call: Call) -> Answer:
        """Raises ConchError: PermissionDenied for what may not be called, Unreached where nothing was sent."""
        url = parse(call.url)
        self._allowed.check_url(url)
        try:
            async with asyncio.timeout(call.deadline_s):
                addresses = await self._addresses(url)
                return await self._ask(call, url, addresses)
        except TimeoutError as error:
            raise DeadlineExceeded(f"{url.host} has not answered within {call.deadline_s} s") from error
        except httpx.LocalProtocolError as error:
            raise InvalidRequest(f"the call to {url.host} cannot be written as HTTP") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"the call to {url.host} broke: {type(error).__name__}") from error

    async def _addresses(self, url: httpx.URL) -> Sequence[IpAddress]:
        try:
            names = await self._resolve(url.raw_host.decode("ascii"), url.port or 0)
        except (OSError, UnicodeError) as error:
            raise Unreached(f"{url.host} has no address: {error}") from error
        addresses = [plain(ip_address(name)) for name in names]
        self._allowed.check_addresses(url.host, addresses)
        return addresses

    async def _ask(self, call: Call, url: httpx.URL, addresses: Sequence[IpAddress]) -> Answer:
        failures = []
        for address in addresses:
            try:
                return await self._ask_at(address, call, url)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failures.append(f"{address}: {error or type(error).__name__}")
        raise Unreached(f"{url.host} cannot be reached ({'; '.join(failures) or 'it has no address'})")

    async def _ask_at(self, address: IpAddress, call: Call, url: httpx.URL) -> Answer:
        response = await self._transport.handle_async_request(_request(address, call, url, self._connect_s))
        try:
            _check_status(response, url)
            content = await self._read(response, url)
        finally:
            await response.aclose()
        return Answer(response.status_code, dict(response.headers), content)

    async def _read(self, response: httpx.Response, url: httpx.URL) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Unavailable(f"{url.host} answers in {response.headers['content-encoding']}, asked for plain bytes")
        content = bytearray()
        async for piece in response.aiter_raw():
            content += piece
            if len(content) > self._max_answer_bytes:
                raise TooMuch(f"the answer of {url.host} has more than {self._max_answer_bytes} bytes")
        return bytes(content)


def _request(address: IpAddress, call: Call, url: httpx.URL, connect_s: float) -> httpx.Request:
    """To the address; the name stays in Host, and in what TLS asks for and checks the certificate against."""
    try:
        return httpx.Request(
            call.method,
            url.copy_with(host=str(address)),
            headers={**call.headers, "Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"},
            content=call.content,
            extensions={
                "sni_hostname": url.raw_host.decode("ascii"),
                "timeout": httpx.Timeout(None, connect=connect_s).as_dict(),
            },
        )
    except UnicodeEncodeError:
        raise InvalidRequest(f"a header for {url.host} is not ASCII; there are {', '.join(call.headers)}") from None


def _check_status(response: httpx.Response, url: httpx.URL) -> None:
    status = response.status_code
    if 200 <= status < 300:
        return
    message = f"{url.host} answers {status}"
    if 300 <= status < 400:
        raise PermissionDenied(f"{message}: a redirect, and none is followed")
    if status == 429:
        raise TooMuch(message, _retry_after_s(response.headers.get("retry-after", "")))
    raise _REFUSALS.get(status, InvalidRequest if status < 500 else Unavailable)(message)


def _retry_after_s(text: str) -> float:
    """Seconds or a date, as HTTP has it, up to an hour; what is neither means a second."""
    if text.isascii() and text.isdecimal():
        return min(float(text), MOST_RETRY_AFTER_S)
    try:
        until_s = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
    except ValueError:
        return 1.0
    return min(max(until_s, 0.0), MOST_RETRY_AFTER_S)
