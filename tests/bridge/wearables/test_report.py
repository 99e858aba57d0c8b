"""What many turns come to."""

import pytest

from bridge.wearables.clips import Clip
from bridge.wearables.recording import Recording
from bridge.wearables.report import Percentiles, Report
from bridge.wearables.simulation import Account, Turn

BALANCED = Account(100, 0, 0)
SECOND = Recording(b"\1\0" * 16_000, 16_000)


def turn(said="stop the belt", heard=("stop the belt",), account=BALANCED, **fields):
    return Turn("sim-1", Clip("a.wav", said, SECOND), list(heard), sent=100, account=account, **fields)


def test_words_latencies_decisions_and_samples_are_put_together():
    turns = [
        turn(first_partial_s=0.5, final_s=0.8, decisions=["execute"]),
        turn(heard=["stop", "belt"], final_s=1.0, decisions=["execute", "forward"], account=Account(70, 20, 10)),
        turn(said=None, heard=["anything"]),
        turn(heard=[], errors=["too busy", "too busy"]),
    ]
    assert Report.of(turns, devices=2) == Report(
        devices=2,
        turns=4,
        audio_s=4.0,
        word_error_rate=round(4 / 9, 4),
        first_partial=Percentiles(1, 0.5, 0.5, 0.5),
        final=Percentiles(2, 0.9, 0.99, 0.998),
        unheard=1,
        decisions={"execute": 2, "forward": 1},
        sent=400,
        received=370,
        gap=20,
        dropped=10,
        unbalanced=(),
        errors=("too busy",),
    )


@pytest.mark.parametrize(
    ("account", "told"),
    [
        (Account(90, 5, 0), "sim-1, a.wav: sent 100, received 90 + gap 5 + dropped 0 = 95"),
        (None, "sim-1, a.wav: sent 100, no account came"),
    ],
    ids=["samples nobody knows of", "no account"],
)
def test_a_session_whose_samples_are_not_accounted_for_is_named(account, told):
    assert Report.of([turn(), turn(account=account)], devices=1).unbalanced == (told,)


def test_of_silence_nothing_is_measured():
    report = Report.of([turn(said="", heard=[])], devices=1)
    assert (report.word_error_rate, report.first_partial, report.final, report.unheard) == (None, None, None, 0)
