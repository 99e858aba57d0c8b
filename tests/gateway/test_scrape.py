"""The one page, read from servers that answer, refuse, hang and say too much."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import scrape
from gateway.scrape import Part, Scrape, parts_of

GOOD = b"# TYPE nv_inference_count counter\nnv_inference_count 7\n"


@contextlib.asynccontextmanager
async def answering(page: bytes | None) -> AsyncIterator[str]:
    """An HTTP server that tells this page, or hangs, and its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if page is not None:
            writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(page), page))
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield "{}:{}".format(*server.sockets[0].getsockname())


async def scraped(*parts: Part) -> dict[str, list[tuple[dict[str, str], float]]]:
    page = await Scrape(parts, deadline_s=1.0).page("# TYPE own gauge\nown 1\n")
    return {
        family.name: [(sample.labels, sample.value) for sample in family.samples]
        for family in text_string_to_metric_families(page)
    }


def test_what_the_settings_name_is_asked():
    assert parts_of(["a:1", "b:2"], "c:3") == (
        Part("triton", "a:1", "/metrics", one_of_many=True),
        Part("triton", "b:2", "/metrics", one_of_many=True),
        Part("edge", "c:3", "/metrics/edge"),
    )
    assert parts_of([], "") == ()
    assert parts_of([], "", "d:4") == (Part("rollout", "d:4"),)


async def test_several_tritons_are_told_apart_by_their_address() -> None:
    async with answering(GOOD) as one, answering(GOOD) as other:
        page = await scraped(*parts_of([one, other], ""))
    assert page["nv_inference_count"] == [({"server": one}, 7), ({"server": other}, 7)]
    assert page["conch_scrape_up"] == [({"part": "triton", "server": address}, 1) for address in (one, other)]


@pytest.mark.parametrize("page", [None, b"\xff\xfe", b"x" * 100], ids=["hangs", "is not UTF-8", "is too long"])
async def test_a_part_that_cannot_be_read_is_told_and_fails_no_other(
    page: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape, "MOST_BYTES", 99)
    async with answering(GOOD) as good, answering(page) as bad:
        told = await scraped(*parts_of([good], bad))
    assert told["conch_scrape_up"] == [({"part": "triton", "server": good}, 1), ({"part": "edge", "server": bad}, 0)]
    assert (told["own"], told["nv_inference_count"]) == ([({}, 1)], [({"server": good}, 7)])


async def test_a_part_that_is_away_is_told() -> None:
    assert (await scraped(Part("edge", "127.0.0.1:1")))["conch_scrape_up"] == [
        ({"part": "edge", "server": "127.0.0.1:1"}, 0)
    ]
