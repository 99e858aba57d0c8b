import asyncio

import numpy as np

from conch.contracts.errors import Unavailable
from conch.contracts.voice import Scores
from gateway.listening.foresight import Foresight
from gateway.recognition import Recognition


class Recogniser:
    """Answers when it is let, with the number of samples."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.asked: list[int] = []
        self.withdrawn: list[int] = []

    async def recognise(self, pcm: np.ndarray) -> Recognition:
        self.asked.append(len(pcm))
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.withdrawn.append(len(pcm))
            raise
        if len(pcm) == 13:
            raise Unavailable("away")
        return Recognition(str(len(pcm)), "en", Scores(), ())


def pcm(samples: int) -> np.ndarray:
    return np.zeros(samples, np.int16)


async def test_an_utterance_that_ends_as_expected_is_recognised_already() -> None:
    recogniser = Recogniser()
    async with asyncio.TaskGroup() as group:
        foresight = Foresight(recogniser.recognise)
        foresight.started_in(group)
        foresight.expect(pcm(10))
        foresight.expect(pcm(10))
        foreseen = foresight.take(pcm(10))
        recogniser.release.set()
        assert foreseen is not None
        recognition = await foreseen
    assert recognition is not None
    assert (recognition.text, recogniser.asked) == ("10", [10])


async def test_speech_that_goes_on_withdraws_what_was_asked() -> None:
    recogniser = Recogniser()
    async with asyncio.TaskGroup() as group:
        foresight = Foresight(recogniser.recognise)
        foresight.started_in(group)
        foresight.expect(pcm(10))
        await asyncio.sleep(0)
        foresight.forget()
        foresight.expect(pcm(20))
        await asyncio.sleep(0)
        assert foresight.take(pcm(30)) is None
    assert (recogniser.asked, recogniser.withdrawn) == ([10, 20], [10, 20])


async def test_a_failure_is_no_recognition() -> None:
    recogniser = Recogniser()
    recogniser.release.set()
    async with asyncio.TaskGroup() as group:
        foresight = Foresight(recogniser.recognise)
        foresight.started_in(group)
        foresight.expect(pcm(13))
        foreseen = foresight.take(pcm(13))
        assert foreseen is not None
        assert await foreseen is None
