"""An HTTP client for servers of this machine: no proxies, no certificates."""

import ssl

import httpx

# httpx makes one for each client, and reads every root certificate for it: 30 ms of processor time.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def loopback_client(address: str, timeout_s: float) -> httpx.AsyncClient:
    """`address` is host:port; to be closed, as by `async with`."""
    return httpx.AsyncClient(base_url=f"http://{address}", timeout=timeout_s, trust_env=False, verify=_NO_TLS)
