"""Callers that a gateway sends away for now, with our client library."""

import asyncio
import re

import httpx

from conch import AsyncClient
from conch.clients.inprocess import InProcessInference
from tests.gateway.conftest import Hold, intent, quick_settings, running


async def test_a_caller_of_a_full_gateway_comes_back_and_is_served(models: InProcessInference) -> None:
    hold = Hold()
    models.functions["intent"] = hold.before(intent)
    async with running(quick_settings(max_calls=1), models) as addresses, AsyncClient(addresses.grpc) as client:
        first = asyncio.create_task(client.understand("call mai"))
        await hold.entered.wait()
        second = asyncio.create_task(client.understand("summon team"))
        await _refused(addresses.http)
        hold.release.set()
        assert [(await one).intent for one in (first, second)] == ["DIAL_PERSON", "SUMMON_TEAM"]


async def _refused(address: str) -> None:
    """Until somebody was."""
    counted = re.compile(r"conch_requests_total\{[^}]*TooMuch[^}]*\} [1-9]")
    async with asyncio.timeout(30), httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as http:
        while not counted.search((await http.get("/metrics")).text):
            pass
