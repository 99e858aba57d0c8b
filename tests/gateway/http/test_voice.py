"""What of the voice calls HTTP alone has to say."""

from typing import Any

import httpx

from conch.clients.inference import Arrays, CallOptions
from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import TooMuch
from tests.gateway.conftest import said, wav, whisper

RECORDING = said("call", "mai", "summon", "team", "help", "weather")


async def test_a_recording_that_uses_its_tenants_day_up_is_answered_with_what_was_heard(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    whole = (await http.post("/transcribe", files={"file": wav(RECORDING)})).json()["segments"]
    heard = 0

    def hears_two(inputs: Arrays, call: CallOptions) -> Any:
        nonlocal heard
        heard += 1
        if heard > 2:
            raise TooMuch("the day is used up", 3600.0)
        return whisper(inputs, call)

    models.functions["whisper"] = hears_two
    refused = await http.post("/transcribe", files={"file": wav(RECORDING)})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
    problem = refused.json()
    assert problem["done"] == {"segments": whole[: len(problem["done"]["segments"])]}
    assert 0 < len(problem["done"]["segments"]) <= 2
    assert "the day is used up" in problem["detail"]


async def test_where_nothing_was_heard_there_is_nothing_to_show(
    http: httpx.AsyncClient, models: InProcessInference
) -> None:
    def hears_nothing(inputs: Arrays, call: CallOptions) -> Any:
        raise TooMuch("the day is used up", 3600.0)

    models.functions["whisper"] = hears_nothing
    refused = await http.post("/transcribe", files={"file": wav(RECORDING)})
    assert refused.status_code == 429
    assert "done" not in refused.json()
