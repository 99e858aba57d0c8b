"""What nobody said, for an hour, and what somebody said in a fifth of a second: the real voice activity detector.

The recogniser hears a command in whatever it is given, so that no utterance goes unnoticed.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conch.clients.inference import text_column
from conch.clients.inprocess import InProcessInference
from conch.contracts.specs import SPEECH_RATE
from conch.models.base import ModelContext
from conch.models.vad import Vad
from gateway.listening.bounds import Bounds
from gateway.listening.events import Ack, Ended, FinalText, Started
from tests.gateway.conftest import whisper
from tests.gateway.listening.noises import NOISES, coloured, pcm16_at
from tests.gateway.listening.test_session import Caller, paced

HOUR = 3600 * SPEECH_RATE
LOUDNESSES = (100, 300, 1000, 3000, 10_000)


@pytest.fixture(scope="module")
def vad(weights: Callable[[str], Path]) -> Vad:
    return Vad.load(ModelContext(weights("vad")))


@pytest.fixture
def caller(models: InProcessInference, vad: Vad) -> Caller:
    def invents(inputs: Any, call: Any) -> Any:
        return {**whisper(inputs, call), "text": text_column("summon the cleaning team"), "rejected": text_column("")}

    models.functions |= {"vad": lambda inputs, call: vad.predict(dict(inputs)), "whisper": invents}
    return Caller(models, bounds=Bounds(tick_s=0.01, partial_every_s=3600))


def noises() -> Iterator[np.ndarray]:
    """An hour: every noise, from hardly heard to very loud."""
    each = HOUR // (len(NOISES) * len(LOUDNESSES))
    for make in NOISES.values():
        signal = make(each)
        yield from (pcm16_at(signal, loudness) for loudness in LOUDNESSES)


def stillness() -> Iterator[np.ndarray]:
    """An hour: half of it the hiss of a microphone, half of it nothing at all."""
    minute = 60 * SPEECH_RATE
    hiss = pcm16_at(coloured(minute, 0), 20)
    for _ in range(30):
        yield hiss
        yield np.zeros(minute, np.int16)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("hour", [stillness, noises], ids=["silence", "noise"])
async def test_an_hour_in_which_nobody_speaks_has_no_final_and_no_action(
    caller: Caller, hour: Callable[[], Iterator[np.ndarray]]
) -> None:
    pcm = np.concatenate(list(hour()))
    await caller.listen(paced(caller.clock, pcm, chunk_s=8.0))
    assert len(pcm) == HOUR
    assert caller.counts.told == []
    assert {type(event) for event in caller.events} == {Started, Ack, Ended}
    assert caller.events[-1] == Ended("the caller has closed the stream", HOUR, HOUR)
    assert caller.counts.most_buffered_s < 20


async def test_words_of_a_fifth_of_a_second_survive(caller: Caller, spoken: Callable[[str], np.ndarray]) -> None:
    words = [loud_part(spoken(text)) for text in ("Yes.", "No.", "Stop.", "Go.", "Help.")]
    assert [0.15 <= len(word) / SPEECH_RATE <= 0.6 for word in words] == [True] * len(words)
    pause = pcm16_at(coloured(3 * SPEECH_RATE // 2, 0), 20)
    parts, places, at = [pause], [], len(pause)
    for word in words:
        places.append((at, at + len(word)))
        parts += [word, pause]
        at += len(word) + len(pause)
    await caller.listen(paced(caller.clock, np.concatenate(parts)))
    finals = [event for event in caller.events if isinstance(event, FinalText)]
    assert len(finals) == len(words)
    for final, (start, end) in zip(finals, places, strict=True):
        assert final.start_offset <= start
        assert final.end_offset >= end


def loud_part(pcm: np.ndarray) -> np.ndarray:
    """Without the silence around it."""
    loud = np.flatnonzero(np.abs(pcm.astype(int)) > 0.05 * np.abs(pcm.astype(int)).max())
    return np.asarray(pcm[loud[0] : loud[-1] + 1])
