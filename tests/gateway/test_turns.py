"""Calls that wait in the gateway for a model of few instances."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from conch.clients.inference import Arrays, CallOptions, text_column
from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import DeadlineExceeded, TooMuch
from conch.contracts.specs import PRIORITY_BULK, PRIORITY_INTERACTIVE
from gateway.turns import TakingTurns, Turns
from tests.gateway.conftest import Hold, whisper

FINAL = CallOptions("final", priority=PRIORITY_INTERACTIVE)
PARTIAL = CallOptions("partial", priority=PRIORITY_BULK)


class Busy:
    """A model that answers when it is told to, one call after another."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.answers: list[asyncio.Future[None]] = []

    async def __call__(self, inputs: Arrays, call: CallOptions) -> Arrays:
        self.begun.append(call.request_id)
        self.answers.append(asyncio.get_running_loop().create_future())
        await self.answers[-1]
        return {
            "intent": text_column("DIAL_PERSON"),
            "confidence": np.ones((1, 1), np.float32),
            "intent_scores": np.zeros((1, 3), np.float32),
            "logits": np.zeros((1, 3), np.float32),
        }

    def answer(self, index: int) -> None:
        self.answers[index].set_result(None)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Asker:
    def __init__(self, at_once: int) -> None:
        self.model = Busy()
        self._turns = TakingTurns(InProcessInference({"intent": self.model}), {"intent": at_once})

    def ask(self, call: CallOptions) -> asyncio.Task[Arrays]:
        return asyncio.create_task(self._turns.infer("intent", {"text": text_column("call")}, call=call))


async def test_a_final_goes_before_the_partials_that_wait() -> None:
    asker = Asker(1)
    for name in ("partial-1", "partial-2"):
        asker.ask(CallOptions(name, priority=PRIORITY_BULK))
    await settle()
    final = asker.ask(FINAL)
    await settle()
    assert asker.model.begun == ["partial-1"]
    asker.model.answer(0)
    await settle()
    assert asker.model.begun == ["partial-1", "final"]
    asker.model.answer(1)
    await final
    await settle()
    assert asker.model.begun == ["partial-1", "final", "partial-2"]


async def test_bulk_has_every_instance_while_nobody_waits_for_anything_else() -> None:
    asker = Asker(2)
    asker.ask(PARTIAL), asker.ask(PARTIAL)
    await settle()
    assert asker.model.begun == ["partial", "partial"]


async def test_ten_seconds_after_the_last_final_bulk_has_every_instance_again() -> None:
    now = 100.0
    turns = Turns("intent", 2, clock=lambda: now)
    await turns.take(PRIORITY_INTERACTIVE)
    turns.give_back(PRIORITY_INTERACTIVE)
    await turns.take(PRIORITY_BULK)
    second = asyncio.create_task(turns.take(PRIORITY_BULK))
    await settle()
    assert not second.done()
    now += 10.0
    turns.give_back(PRIORITY_BULK)
    await second
    await asyncio.wait_for(turns.take(PRIORITY_BULK), 5)


async def test_partials_leave_a_final_an_instance() -> None:
    asker = Asker(2)
    opened = asker.ask(FINAL)
    await settle()
    asker.model.answer(0)
    await opened
    asker.model.begun.clear()
    asker.ask(PARTIAL), asker.ask(PARTIAL)
    await settle()
    assert asker.model.begun == ["partial"]
    asker.ask(FINAL)
    await settle()
    assert asker.model.begun == ["partial", "final"]


async def test_what_is_withdrawn_while_it_waits_is_never_asked() -> None:
    asker = Asker(1)
    first, second, third = (asker.ask(CallOptions(name)) for name in ("1", "2", "3"))
    await settle()
    second.cancel()
    asker.model.answer(0)
    await first
    await settle()
    assert asker.model.begun == ["1", "3"]
    asker.model.answer(1)
    await third


async def test_an_instance_is_free_when_it_answers_and_not_when_the_caller_loses_interest() -> None:
    asker = Asker(1)
    first, second = asker.ask(CallOptions("1")), asker.ask(CallOptions("2"))
    await settle()
    first.cancel()
    await settle()
    assert (first.cancelled(), asker.model.begun) == (True, ["1"])
    asker.model.answer(0)
    await settle()
    assert asker.model.begun == ["1", "2"]
    asker.model.answer(1)
    await second


async def test_a_turn_that_came_as_its_caller_gave_up_is_the_next_ones() -> None:
    turns = Turns("intent", 1)
    await turns.take(PRIORITY_INTERACTIVE)
    late, next_one = (asyncio.create_task(turns.take(PRIORITY_INTERACTIVE)) for _ in range(2))
    await settle()
    turns.give_back(PRIORITY_INTERACTIVE)
    late.cancel()
    await asyncio.wait_for(next_one, 5)
    assert late.cancelled() or late.done()


async def test_a_call_that_waits_for_longer_than_it_may_is_not_asked() -> None:
    asker = Asker(1)
    first = asker.ask(CallOptions("1"))
    await settle()
    with pytest.raises(DeadlineExceeded, match=r"model intent was busy for all of 0\.010 s"):
        await asker.ask(CallOptions("2", deadline_s=0.01))
    asker.model.answer(0)
    await first
    await settle()
    assert asker.model.begun == ["1"]


async def test_what_waiting_has_left_is_the_models_time() -> None:
    now = 10.0
    busy = Busy()
    inference = InProcessInference({"intent": busy})
    turns = TakingTurns(inference, {"intent": 1}, clock=lambda: now)
    text: Arrays = {"text": text_column("call")}
    first = asyncio.create_task(turns.infer("intent", text))
    await settle()
    second = asyncio.create_task(turns.infer("intent", text, call=CallOptions(deadline_s=30.0)))
    await settle()
    now += 2.5
    busy.answer(0)
    await first
    await settle()
    assert [one.call.deadline_s for one in inference.asked] == [None, 27.5]
    busy.answer(1)
    await second


async def test_only_so_many_wait() -> None:
    turns = Turns("intent", 1, most_waiting=2)
    await turns.take(PRIORITY_INTERACTIVE)
    waiting = [asyncio.create_task(turns.take(PRIORITY_BULK)) for _ in range(2)]
    await settle()
    with pytest.raises(TooMuch, match="2 calls wait for model intent, at most 2 may"):
        await turns.take(PRIORITY_INTERACTIVE)
    waiting[0].cancel()
    await settle()
    last = asyncio.create_task(turns.take(PRIORITY_INTERACTIVE))
    await settle()
    turns.give_back(PRIORITY_INTERACTIVE)
    await last


async def test_a_failed_call_gives_its_turn_back() -> None:
    asker = Asker(1)
    first, second = asker.ask(CallOptions("1")), asker.ask(CallOptions("2"))
    await settle()
    asker.model.answers[0].set_exception(TooMuch("full", 1.0))
    with pytest.raises(TooMuch):
        await first
    await settle()
    assert asker.model.begun == ["1", "2"]
    asker.model.answer(1)
    await second


async def test_a_streams_turn_ends_with_it() -> None:
    def speak(inputs: Arrays, call: CallOptions) -> Iterator[Arrays]:
        for _ in range(2):
            yield {"pcm16": np.zeros((1, 8), np.int16), "sample_rate": np.array([[22050]], np.int32)}

    turns = TakingTurns(InProcessInference({"piper": speak}), {"piper": 1})
    for _ in range(2):
        said = [one async for one in turns.stream("piper", {"text": text_column("a")}, call=CallOptions(deadline_s=30))]
        assert len(said) == 2


async def test_a_command_that_the_ensemble_understands_takes_whispers_turn(models: InProcessInference) -> None:
    hold = Hold()
    models.functions["whisper"] = hold.before(whisper)
    turns = TakingTurns(models, {"whisper": 1})
    pcm = np.zeros((1, 16_000), np.int16)
    inputs: Arrays = {"pcm16": pcm, "sample_rate": np.array([[16_000]], np.int32)}
    recognised = asyncio.create_task(turns.infer("whisper", inputs))
    await hold.entered.wait()
    understood = asyncio.create_task(turns.infer("voice_command", inputs))
    await settle()
    assert [one.model for one in models.asked] == ["whisper"]
    hold.release.set()
    await asyncio.gather(recognised, understood)
    assert [one.model for one in models.asked] == ["whisper", "voice_command"]
