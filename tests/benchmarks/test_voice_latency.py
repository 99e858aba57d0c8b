"""What is read off the events of a listener."""

from typing import Any

import numpy as np
import pytest

from benchmarks.clips import Clip
from benchmarks.listener import CHUNK_S, Came, Spoken
from benchmarks.voice_latency import POST_ROLL_S, SILENCE_S, Decision, _decisions, _said
from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.specs import SPEECH_RATE


def at(seconds: float, **event: Any) -> Came:
    return Came(100.0 + seconds, pb.ListenEvent(**event))


def test_a_decision_counts_from_the_moment_at_which_the_silence_had_passed() -> None:
    # Speech ends at 2.3 s, so the silence has passed at 3.0 s, in the chunk that is sent then.
    end = round((2.3 + POST_ROLL_S) * SPEECH_RATE)
    told = Spoken(
        100.0,
        [
            at(3.125, final=pb.FinalText(utterance=0, text="call mai", end_offset=end)),
            at(3.25, intent=pb.UtteranceIntent(utterance=0)),
            at(3.5, decision=pb.UtteranceDecision(utterance=0)),
            at(13.5, decision=pb.UtteranceDecision(utterance=0)),  # its question is called off
            at(15.0, final=pb.FinalText(utterance=1, end_offset=end)),  # nothing was said
        ],
    )
    (decision,) = _decisions(told)
    assert decision.stages() == pytest.approx(
        Decision(chunk=0.0, final=125.0, intent=250.0, decision=500.0).stages(), abs=0.01
    )
    assert decision.stages()["intent"] == pytest.approx(125.0, abs=0.01)


def test_a_sample_is_sent_when_its_chunk_is_full() -> None:
    told = Spoken(began_at=100.0)
    assert told.sent_at(1) == told.sent_at(round(CHUNK_S * SPEECH_RATE)) == 100.0 + CHUNK_S
    assert told.sent_at(round(CHUNK_S * SPEECH_RATE) + 1) == 100.0 + 2 * CHUNK_S


def test_sentences_are_said_with_pauses_that_end_them() -> None:
    clip = Clip("call mai", np.full(SPEECH_RATE, 1000, np.int16))
    pcm = _said([clip, clip])
    quiet = np.abs(pcm) < 500
    runs = np.diff(np.flatnonzero(np.diff(quiet.astype(int))))
    assert runs.max() / SPEECH_RATE > SILENCE_S
