"""One page of metrics for all there is to scrape: our own, every Triton's and the edge's.

A part that is away is told as conch_scrape_up 0 and costs the others nothing but its deadline.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from conch.contracts.metrics import SCRAPE_UP
from gateway.exposition import joined, labelled

logger = logging.getLogger(__name__)

MOST_BYTES = 32 * 2**20
"""Of one part's page."""


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    server: str
    """host:port; a label of the part's samples where there may be several of its kind."""
    path: str = "/metrics"
    one_of_many: bool = False


def parts_of(tritons: Sequence[str], edge: str, rollout: str = "") -> tuple[Part, ...]:
    """By addresses, host:port each; `edge` and `rollout` empty where there is none."""
    servers = [Part("triton", address, one_of_many=True) for address in tritons]
    others = [Part("edge", edge, "/metrics/edge"), Part("rollout", rollout)]
    return (*servers, *(part for part in others if part.server))


class Scrape:
    def __init__(self, parts: Sequence[Part], deadline_s: float = 3.0) -> None:
        """`deadline_s`: of each part; they are asked together."""
        self._parts = parts
        self._deadline_s = deadline_s

    async def page(self, own: str) -> str:
        """`own` is the gateway's page."""
        # Addresses of our own settings, never through a proxy of the environment; TLS is not spoken among them.
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=self._deadline_s) as client:
            read = await asyncio.gather(*(self._read(client, part) for part in self._parts))
        up = [f"# HELP {SCRAPE_UP.name} {SCRAPE_UP.help}", f"# TYPE {SCRAPE_UP.name} {SCRAPE_UP.kind}"]
        for part, page in zip(self._parts, read, strict=True):
            up.append(f'{SCRAPE_UP.name}{{part="{part.name}",server="{part.server}"}} {int(page is not None)}')
        return joined(["\n".join(up), own, *(page for page in read if page is not None)])

    async def _read(self, client: httpx.AsyncClient, part: Part) -> str | None:
        try:
            async with asyncio.timeout(self._deadline_s):
                page = await _page(client, f"http://{part.server}{part.path}")
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            logger.warning("metrics of %s at %s cannot be read: %s", part.name, part.server, error or type(error))
            return None
        return labelled(page, server=part.server) if part.one_of_many else page


async def _page(client: httpx.AsyncClient, url: str) -> str:
    size, chunks = 0, []
    async with client.stream("GET", url) as answer:
        answer.raise_for_status()
        async for chunk in answer.aiter_bytes():
            size += len(chunk)
            if size > MOST_BYTES:
                raise ValueError(f"the page has more than {MOST_BYTES} bytes")
            chunks.append(chunk)
    return b"".join(chunks).decode()
