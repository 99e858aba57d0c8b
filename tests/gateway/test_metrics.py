"""What the gateway counts of its calls, as a scrape tells it."""

import asyncio
import re

import httpx

from conch.clients.inprocess import InProcessInference
from conch.contracts import errors
from tests.gateway.conftest import Hold, quick_settings, running, said, wav


async def told(http: httpx.AsyncClient, name: str) -> dict[str, float]:
    """Every sample of that name, by its labels."""
    page = (await http.get("/metrics")).text
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", page, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


async def test_calls_that_run_and_those_that_found_no_place_are_told(models: InProcessInference) -> None:
    hold = Hold()
    models.functions["intent"] = hold.before(models.functions["intent"])
    async with (
        running(quick_settings(max_calls=1), models) as addresses,
        httpx.AsyncClient(base_url=f"http://{addresses.http}", timeout=60, trust_env=False) as http,
    ):
        first = asyncio.create_task(http.post("/understand", json={"text": "call mai"}))
        await hold.entered.wait()
        assert await told(http, "conch_calls_running") == {"": 1.0}
        refused = await http.post("/understand", json={"text": "call"}, headers={"x-conch-tenant": "acme"})
        assert refused.status_code == 429
        assert await told(http, "conch_admission_refused_total") == {'limit="calls",tenant="acme"': 1.0}
        hold.release.set()
        assert (await first).status_code == 200
        assert await told(http, "conch_calls_running") == {"": 0.0}


async def test_a_spoken_command_s_stages_are_timed_by_its_tenant(http: httpx.AsyncClient) -> None:
    answer = await http.post("/understand", content=wav(said("call")), headers={"x-conch-tenant": "acme"})
    assert answer.status_code == 200
    assert set(await told(http, "conch_stage_seconds_count")) == {
        'model="",stage="decode",tenant="acme"',
        'model="voice_command",stage="infer",tenant="acme"',
    }


async def test_tenants_beyond_the_bound_and_names_that_no_tenant_has_are_one(http: httpx.AsyncClient) -> None:
    for tenant in ("Not:One", "also.not", *(f"tenant{number}" for number in range(105))):
        await http.post("/understand", json={"text": ""}, headers={"x-conch-tenant": tenant})
    counted = {
        labels.split('tenant="')[1].rstrip('"'): value
        for labels, value in (await told(http, "conch_request_seconds_count")).items()
    }
    assert len(counted) == 101
    assert counted["other"] == 7


async def test_an_outcome_is_one_of_the_few_classes_that_rules_know(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    del models.functions["intent"]
    assert (await http.post("/understand", json={"text": "call mai"})).is_error
    (labels,) = await told(http, "conch_requests_total")
    outcome = labels.split('outcome="')[1].partition('"')[0]
    assert getattr(errors, outcome).__module__ == errors.__name__
