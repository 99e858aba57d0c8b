"""One gate for what is sent whole and for what is heard live: how well it was heard, and what the tenant asks for."""

import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from conch.clients.inference import Arrays, CallOptions
from conch.clients.inprocess import InProcessInference
from conch.commands.contacts import Contact
from conch.contracts.identity import GATE_HEADER, Identity
from conch.contracts.specs import SPEECH_RATE
from conch.contracts.thresholds import Thresholds
from conch.decision import Action
from gateway.calls import Call, identify
from gateway.limits import Limits
from gateway.listening.events import Decided, Event
from gateway.listening.formats import Encoding, Format
from gateway.listening.listening import Listening
from gateway.listening.opening import Opening
from gateway.listening.receiving import Chunk
from gateway.metrics import Metrics
from gateway.recognition import Expectation
from gateway.understanding import CommandUnderstanding
from tests.gateway.conftest import said, wav
from tests.gateway.microphone import pcm16

MAI = (Contact("Mai"),)

Way = Callable[[InProcessInference, tuple[str, ...], Identity], Awaitable[list[tuple[str, str]]]]


async def sent_whole(models: InProcessInference, words: tuple[str, ...], identity: Identity) -> list[tuple[str, str]]:
    understanding = CommandUnderstanding(models, Limits())
    call = Call(identity, time.monotonic() + 60)
    understood = await understanding.of_audio(io.BytesIO(spoken(words)), Expectation(), call, contacts=MAI)
    return [(understood.decision, understood.reason)]


async def heard_live(models: InProcessInference, words: tuple[str, ...], identity: Identity) -> list[tuple[str, str]]:
    events: list[Event] = []

    async def write(event: Event) -> None:
        events.append(event)

    async def chunks() -> AsyncIterator[Chunk]:
        yield Chunk(pcm16(said(*words, pause_s=0.1)).tobytes(), 0)

    limits = Limits()
    listening = Listening(models, CommandUnderstanding(models, limits), limits, Metrics())
    opening = Opening("badge-1", "", "monday", Format(Encoding.PCM16, SPEECH_RATE, 1), "", "", MAI, 0)
    await listening.listen(opening, chunks(), write, Call(identity, time.monotonic() + 60))
    # What is asked back is called off as the session ends.
    return [(event.action, event.reason) for event in events if isinstance(event, Decided)][:1]


def spoken(words: tuple[str, ...]) -> bytes:
    return wav(said(*words, pause_s=0.1))


def heard(models: InProcessInference, **scores: float) -> None:
    """From now on everything is recognised with these scores."""
    for name in ("whisper", "voice_command"):
        models.functions[name] = _scored(models.functions[name], scores)


def _scored(function: Callable[[Arrays, CallOptions], Any], scores: dict[str, float]) -> Callable[..., Arrays]:
    def whisper(inputs: Arrays, call: CallOptions) -> Arrays:
        return {**function(inputs, call), **{name: np.array([[one]], np.float32) for name, one in scores.items()}}

    return whisper


@pytest.fixture(params=[sent_whole, heard_live])
def way(request: pytest.FixtureRequest) -> Way:
    way: Way = request.param
    return way


@pytest.mark.parametrize(
    ("logprob", "words", "action"),
    [
        (-0.25, ("summon", "team"), Action.EXECUTE),
        (-0.25, ("call", "mai"), Action.EXECUTE),
        (-0.55, ("summon", "team"), Action.EXECUTE),
        (-0.55, ("call", "mai"), Action.CONFIRM),
        (-0.75, ("summon", "team"), Action.CONFIRM),
        (-1.25, ("summon", "team"), Action.IGNORE),
        (-1.25, ("weather",), Action.IGNORE),
    ],
)
async def test_the_worse_it_was_heard_the_less_is_done(
    way: Way, models: InProcessInference, logprob: float, words: tuple[str, ...], action: Action
) -> None:
    heard(models, avg_logprob=logprob)
    assert [done for done, _ in await way(models, words, Identity())] == [action]


async def test_a_sure_intent_does_not_make_up_for_a_voice_that_may_be_none(
    way: Way, models: InProcessInference
) -> None:
    heard(models, no_speech_prob=0.5)
    assert await way(models, ("summon", "team"), Identity()) == [
        (Action.CONFIRM, "probability 0.50 that nobody spoke is above 0.3")
    ]


async def test_a_tenants_own_thresholds_come_with_the_call(way: Way, models: InProcessInference) -> None:
    strict = identify({GATE_HEADER: Thresholds(summon_logprob=-0.125).encode()})
    assert await way(models, ("summon", "team"), strict) == [(Action.CONFIRM, "log-probability -0.25 is below -0.125")]
