from benchmarks.callers import Call
from benchmarks.heal import Kill, mended_at, summary


def test_it_is_mended_with_the_first_answer_to_a_call_that_was_sent_after_the_last_that_failed() -> None:
    calls = [Call(0.0, 0.1), Call(1.0, 1.5, "away"), Call(1.2, 1.3), Call(1.6, 1.7), Call(1.8, 1.9)]
    assert mended_at(calls, killed=0.5) == 1.7


def test_a_call_that_waited_for_long_was_not_mended_yet() -> None:
    calls = [Call(0.0, 0.1), Call(0.6, 2.6), Call(2.7, 2.8)]
    assert mended_at(calls, killed=0.5) == 2.8


def test_who_never_said_a_word_is_told_apart_from_who_did_at_once() -> None:
    kills = [Kill(0.5, 2.0, 3, {"triton": None, "ours": 0.2}), Kill(1.5, 4.0, 5, {"triton": None, "ours": 0.4})]
    assert summary(kills) == {
        "kills": 2,
        "found_s": {"median": 1.0, "most": 1.5},
        "mended_s": {"median": 3.0, "most": 4.0},
        "failed_calls": {"median": 4.0, "most": 5},
        "triton": {"of": 0, "median_s": None},
        "ours": {"of": 2, "median_s": 0.3},
    }
