"""What counts as held, and when a text that changes is final."""

import pytest

from benchmarks.stream_servers import TAIL_S, Heard
from benchmarks.voice_streams import Step, compared, step_of
from benchmarks.whisper_live import Shown, Transcribed


def heard(final_s=0.8, text="stop the belt", own_final_s=None):
    return Heard("stop the belt", text, final_s, own_final_s)


@pytest.mark.parametrize(
    ("all_heard", "single", "held"),
    [
        ([heard()] * 20, None, True),
        ([heard(0.2)] * 10 + [heard(1.3)] * 2, None, False),
        ([heard()] * 19 + [heard(text="stop the bell")], 0.0, False),
        ([heard()] * 59 + [heard(text="stop the bell")], 0.0, True),
        ([heard()] * 10 + [heard(None, text="")] * 2, 0.2, False),
    ],
    ids=["in time", "late", "more words wrong than with one", "a few more", "not heard"],
)
def test_a_number_of_streams_is_held_in_time_and_with_the_words_of_one(all_heard, single, held):
    assert step_of(4, all_heard, single).held is held


def test_a_clip_without_text_counts_as_one_that_nobody_waited_for():
    step = step_of(1, [heard(None, text="")], None)
    assert (step.heard, step.p95_s, step.word_error_rate) == (0, TAIL_S, 1.0)


def test_the_servers_own_word_is_told_only_where_it_came_for_every_text():
    assert step_of(1, [heard(own_final_s=3.0)], None).own_p95_s == 3.0
    assert step_of(1, [heard(own_final_s=3.0), heard()], None).own_p95_s is None


def test_conch_is_held_against_the_better_peer_and_one_stream_is_the_least():
    def steps(*held):
        return [Step(streams, 5, 5, 0.5, 0.9, 0.0, None, one) for streams, one in held]

    conch = steps((1, True), (2, True), (4, True), (8, False))
    few, none = steps((1, True), (2, True), (4, False)), steps((1, False))
    found = compared({"conch": conch, "serial": none, "batching": few})
    assert (found["holds"], found["conch_by_the_better_peer"]) == ({"conch": 4, "serial": 0, "batching": 2}, 2.0)
    assert compared({"conch": conch, "serial": none})["conch_by_the_better_peer"] == 4.0


def test_a_text_has_settled_when_its_words_stay_as_they_are():
    shown = [("stop", False), ("Stop the bell", False), ("stop the belt", False), ("Stop the belt.", True)]
    told = Transcribed(0.0, [Shown(float(at), text, completed) for at, (text, completed) in enumerate(shown)])
    assert (told.text, told.settled_at, told.completed_at) == ("Stop the belt.", 2.0, 3.0)


def test_nothing_was_shown_and_nothing_settles():
    assert (Transcribed().text, Transcribed().settled_at, Transcribed().completed_at) == ("", None, None)
