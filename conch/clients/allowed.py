"""Where a call may go that leaves the site: URLs by their beginnings, and addresses by what networks they are of."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

import httpx

from conch.contracts.errors import InvalidRequest, PermissionDenied

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_PORTS = {"http": 80, "https": 443}

# NAT64 and 6to4 carry an IPv4 address, and whoever routes them would reach it; fec0::/10 was IPv6's private range.
_DISGUISED = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "fec0::/10", "::/96")))


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of URLs: whole scheme, host and port, and whole segments of the path."""

    scheme: str
    host: str
    port: int
    segments: tuple[str, ...]

    @classmethod
    def of(cls, url: httpx.URL) -> Self:
        """Raises InvalidRequest for what is no plain address of HTTP."""
        if url.scheme not in _PORTS or not url.host:
            raise InvalidRequest(f"{_shown(url)} is no http:// or https:// address")
        if url.userinfo:
            raise InvalidRequest(f"{_shown(url)} has a user in it: credentials travel in headers")
        segments = tuple(unquote(one) for one in url.raw_path.decode("ascii").partition("?")[0].split("/")[1:])
        # Some servers decode these before they look: what begins as allowed would end elsewhere.
        if any(one.partition(";")[0] in (".", "..") or set(one) & {"/", "\\"} for one in segments):
            raise InvalidRequest(f"{_shown(url)} is asked for a path that names another one")
        return cls(url.scheme, url.host.rstrip("."), url.port or _PORTS[url.scheme], segments)

    def covers(self, other: Self) -> bool:
        own = self.segments[:-1] if self.segments[-1:] == ("",) else self.segments
        return (self.scheme, self.host, self.port, own) == (
            other.scheme,
            other.host,
            other.port,
            other.segments[: len(own)],
        )


class Allowed:
    """`urls` are beginnings of what may be called; `networks` those that are not public and may be called all the same.

    Whoever allows a URL whose host is an address has named that address: it needs no network.
    """

    def __init__(self, urls: Iterable[str], networks: Iterable[IpNetwork] = ()) -> None:
        self._prefixes = tuple(Prefix.of(parse(url)) for url in urls)
        self._networks = tuple(networks)
        self._named = {address for prefix in self._prefixes if (address := _literal(prefix.host))}

    def check_url(self, url: httpx.URL) -> None:
        """Raises PermissionDenied where it is on no list, InvalidRequest where it is no plain URL."""
        asked = Prefix.of(url)
        if not any(prefix.covers(asked) for prefix in self._prefixes):
            raise PermissionDenied(
                f"{_shown(url)} is not one of the {len(self._prefixes)} addresses that may be called from here"
            )

    def check_addresses(self, host: str, addresses: Iterable[IpAddress]) -> None:
        """Of one host, all or none: a name that stands for a public and a private address is no honest one."""
        named = _literal(host)
        for address in addresses:
            if not (_public(address) or (address == named and address in self._named) or self._within(address)):
                raise PermissionDenied(f"{host} is {address}, of a network that is not public and is not allowed")

    def _within(self, address: IpAddress) -> bool:
        return any(address in network for network in self._networks)


def parse(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidRequest(f"this is no URL: {error}") from error


def _shown(url: httpx.URL) -> str:
    """Without what may be a secret: the user, and the path of many a webhook."""
    return f"{url.scheme}://{url.host}:{url.port}" if url.port else f"{url.scheme}://{url.host}"


def _literal(host: str) -> IpAddress | None:
    try:
        return plain(ipaddress.ip_address(host))
    except ValueError:
        return None


def plain(address: IpAddress) -> IpAddress:
    """An IPv4 address that is written as one of IPv6, as what it is."""
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def _public(address: IpAddress) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and any(address in network for network in _DISGUISED):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
