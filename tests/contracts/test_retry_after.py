import pytest

from conch.contracts.errors import InvalidRequest, TooMuch
from conch.contracts.retry_after import Told, with_retry_after, without_retry_after


@pytest.mark.parametrize(("seconds", "told"), [(1.0, 1.0), (0.2, 1.0), (3599.01, 3600.0), (0.0, 0.0)])
def test_what_is_told_is_heard_in_whole_seconds_and_never_too_early(seconds: float, told: float) -> None:
    text = with_retry_after(TooMuch("too much: 5 of 5 s", seconds))
    assert without_retry_after(text) == Told("too much: 5 of 5 s", told)


@pytest.mark.parametrize("error", [TooMuch("too large"), InvalidRequest("no such thing")])
def test_where_waiting_does_not_help_nothing_is_added(error: TooMuch | InvalidRequest) -> None:
    assert with_retry_after(error) == error.message
    assert without_retry_after(error.message) == Told(error.message, None)


@pytest.mark.parametrize("text", ["", "; retry after s", "x; retry after 5 seconds", "x; retry after -5 s"])
def test_other_words_are_left_alone(text: str) -> None:
    assert without_retry_after(text) == Told(text, None)


def test_a_text_of_several_lines_keeps_them() -> None:
    assert without_retry_after("one\ntwo; retry after 7 s") == Told("one\ntwo", 7.0)
