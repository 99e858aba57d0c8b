"""Utterances from probabilities alone: what is cut, what is kept, and what never happens."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conch.contracts.specs import SPEECH_RATE, VAD_WINDOW
from gateway.listening.endpointing import Ending, Endpoint, Endpointer, Endpointing, Onset, Step

SHORT = Endpointing(pre_roll_s=0.1, post_roll_s=0.06, silence_s=0.2, longest_s=0.8)
"""Windows: 3 of pre-roll, 2 of post-roll, 6 of silence, 25 at most."""


def numbered(windows: int) -> np.ndarray:
    """Samples that name their window."""
    return np.repeat(np.arange(windows), VAD_WINDOW).astype(np.int16)


def run(probabilities: list[float], how: Endpointing = SHORT, ending: Ending = Ending.CLOSED) -> list[Step]:
    endpointer = Endpointer(how)
    return [*endpointer.feed(numbered(len(probabilities)), probabilities), *endpointer.finish(ending)]


def windows_of(endpoint: Endpoint) -> list[int]:
    return endpoint.pcm[::VAD_WINDOW].tolist()


def endpoints(steps: list[Step]) -> list[Endpoint]:
    return [step for step in steps if isinstance(step, Endpoint)]


def drawn(picture: str) -> list[float]:
    """One window a character: `s` speech, `w` weak speech, `.` silence."""
    return [{"s": 0.9, "w": 0.4, ".": 0.05}[mark] for mark in picture]


def test_an_utterance_has_what_was_heard_shortly_before_and_after() -> None:
    steps = run(drawn("......ssss.........."))
    assert steps[0] == Onset(3 * VAD_WINDOW, 6 * VAD_WINDOW)
    assert windows_of(endpoints(steps)[0]) == list(range(3, 12))
    assert endpoints(steps)[0].ending is Ending.ENDPOINT


@pytest.mark.parametrize("seconds", [0.2, 0.3, 0.5])
def test_short_words_survive_with_the_settings_of_every_day(seconds: float) -> None:
    windows = round(seconds * SPEECH_RATE / VAD_WINDOW)
    steps = run([*[0.05] * 40, *[0.9] * windows, *[0.05] * 40], Endpointing())
    (utterance,) = endpoints(steps)
    assert len(utterance.pcm) / SPEECH_RATE >= seconds + 0.4 + 0.25
    assert utterance.ending is Ending.ENDPOINT


@pytest.mark.parametrize(
    "picture",
    ["..........", ".....s..........", "....ss..........", "....s....s....s....", "....wwwwwwww......"],
    ids=["silence", "a click", "a longer click", "clicks", "never sure"],
)
def test_what_is_no_speech_is_no_utterance(picture: str) -> None:
    assert run(drawn(picture)) == []


def test_weak_speech_goes_on_where_it_would_not_begin() -> None:
    assert windows_of(endpoints(run(drawn("....swwwwwwww........")))[0]) == list(range(1, 15))


def test_a_pause_shorter_than_the_silence_stays_inside() -> None:
    assert len(endpoints(run(drawn("....ssss.....ssss......")))) == 1
    assert len(endpoints(run(drawn("....ssss......ssss......")))) == 2


def test_the_next_utterance_takes_no_sample_of_the_one_before() -> None:
    first, second = endpoints(run(drawn("....ssss......ssss......")))
    assert (first.end, second.start) == (10 * VAD_WINDOW, 11 * VAD_WINDOW)


def test_who_never_stops_is_cut_where_it_is_quietest() -> None:
    loud = np.full(40 * VAD_WINDOW, 1000, np.int16)
    loud[16 * VAD_WINDOW : 21 * VAD_WINDOW] = 10
    endpointer = Endpointer(SHORT)
    steps = endpointer.feed(loud, [0.9] * 40)
    assert [type(step) for step in steps[:3]] == [Onset, Endpoint, Onset]
    cut, begun = steps[1], steps[2]
    assert isinstance(cut, Endpoint)
    assert isinstance(begun, Onset)
    assert (cut.end, cut.ending) == (18 * VAD_WINDOW, Ending.TOO_LONG)
    assert begun.start == cut.end


@pytest.mark.parametrize("ending", [Ending.STALLED, Ending.CLOSED])
def test_an_end_from_outside_is_named(ending: Ending) -> None:
    (utterance,) = endpoints(run(drawn("....ssss"), ending=ending))
    assert (utterance.ending, windows_of(utterance)) == (ending, list(range(1, 8)))


def test_silence_is_decided_as_it_comes_but_for_the_pre_roll() -> None:
    endpointer = Endpointer(SHORT)
    endpointer.feed(numbered(50), [0.0] * 50)
    assert endpointer.decided_to == 47 * VAD_WINDOW
    assert endpointer.kept == 3 * VAD_WINDOW
    endpointer.feed(numbered(4), [0.9] * 4)
    assert endpointer.decided_to == 47 * VAD_WINDOW
    assert endpointer.open


PROBABILITIES = st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.95]), max_size=200)
RUNS = st.lists(st.tuples(st.sampled_from([0.0, 0.4, 0.95]), st.integers(1, 30)), max_size=12).map(
    lambda runs: [probability for probability, count in runs for _ in range(count)]
)


@given(st.one_of(PROBABILITIES, RUNS))
@example(drawn("ssss" * 20))
@example(drawn("ss.......sssss"))
def test_no_sample_is_doubled_and_no_speech_is_lost(probabilities: list[float]) -> None:
    found = endpoints(run(probabilities))
    for one in found:
        assert windows_of(one) == list(range(one.start // VAD_WINDOW, one.end // VAD_WINDOW))
        assert one.start <= one.speech_from < one.end
    for one, other in pairwise(found):
        assert one.end <= other.start
        if one.ending is Ending.TOO_LONG and probabilities[one.end // VAD_WINDOW] >= 0.5:
            assert one.end == other.start
    heard = {window for one in found for window in windows_of(one)}
    for start in range(len(probabilities) - 2):
        if min(probabilities[start : start + 3]) >= 0.5:
            assert heard >= {start, start + 1, start + 2}


@given(RUNS, st.lists(st.integers(1, 40), min_size=1, max_size=20))
def test_how_windows_are_grouped_makes_no_difference(probabilities: list[float], sizes: list[int]) -> None:
    endpointer = Endpointer(SHORT)
    pcm, at, steps = numbered(len(probabilities)), 0, []
    while at < len(probabilities):
        size = sizes[at % len(sizes)]
        block = probabilities[at : at + size]
        steps += endpointer.feed(pcm[at * VAD_WINDOW : (at + len(block)) * VAD_WINDOW], block)
        at += size
    assert told(steps) == told(endpointer_steps(probabilities))


@given(RUNS)
def test_what_is_decided_only_grows_and_memory_is_bounded(probabilities: list[float]) -> None:
    endpointer, decided = Endpointer(SHORT), 0
    for index, probability in enumerate(probabilities):
        for step in endpointer.feed(numbered(1), [probability]):
            assert step.start >= decided
        assert decided <= endpointer.decided_to <= (index + 1) * VAD_WINDOW
        assert endpointer.kept <= (25 + 3) * VAD_WINDOW
        decided = endpointer.decided_to


@given(st.one_of(PROBABILITIES, RUNS))
def test_onsets_and_endpoints_take_turns(probabilities: list[float]) -> None:
    steps = run(probabilities)
    assert [isinstance(step, Onset) for step in steps] == [index % 2 == 0 for index in range(len(steps))]
    for onset, endpoint in zip(steps[::2], steps[1::2], strict=True):
        assert (onset.start, onset.speech_from) == (endpoint.start, endpoint.speech_from)


def endpointer_steps(probabilities: list[float]) -> list[Step]:
    return Endpointer(SHORT).feed(numbered(len(probabilities)), probabilities)


def told(steps: list[Step]) -> list[tuple[str, int, int]]:
    return [(type(step).__name__, step.start, step.end if isinstance(step, Endpoint) else 0) for step in steps]


@given(st.one_of(PROBABILITIES, RUNS))
def test_an_utterance_is_what_its_last_lull_foresaw(probabilities: list[float]) -> None:
    endpointer, foreseen = Endpointer(SHORT), None
    for index, probability in enumerate(probabilities):
        for step in endpointer.feed(numbered(len(probabilities))[index * VAD_WINDOW :][:VAD_WINDOW], [probability]):
            if isinstance(step, Endpoint) and step.ending is Ending.ENDPOINT:
                assert foreseen is not None
                assert np.array_equal(step.pcm, foreseen)
        foreseen = endpointer.lull()


@pytest.mark.parametrize(
    ("picture", "pausing"),
    [
        ("....ssss", False),
        ("....ssss..", False),
        ("....ssss...", True),
        ("....ssss...s", False),
        ("....ssss...w", False),
    ],
)
def test_a_pause_is_longer_than_a_sound_within_a_word(picture: str, pausing: bool) -> None:
    endpointer = Endpointer(SHORT)
    endpointer.feed(numbered(len(picture)), drawn(picture))
    assert (endpointer.open, endpointer.pausing) == (True, pausing)
