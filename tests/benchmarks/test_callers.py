import math

from benchmarks.callers import Call, Span, largest_gap_ms, percentile_ms, within

CALLS = [Call(0.0, 0.1), Call(0.1, 0.2), Call(0.2, 0.3, "away"), Call(0.3, 0.9), Call(0.9, 1.0)]


def test_calls_count_that_were_on_their_way_in_a_span() -> None:
    assert within(CALLS, [Span(0.15, 0.15), Span(0.95, 2.0)]) == [CALLS[1], CALLS[4]]


def test_a_gap_is_the_longest_that_nobody_was_answered() -> None:
    # The call that failed is no answer.
    assert round(largest_gap_ms(CALLS, [Span(0.25, 0.25)])) == 700
    assert round(largest_gap_ms(CALLS, [Span(0.95, 1.0)])) == 100
    assert math.isnan(largest_gap_ms(CALLS, [Span(5, 6)]))


def test_times_are_of_answers_alone() -> None:
    assert round(percentile_ms(CALLS, 100)) == 600
    assert math.isnan(percentile_ms(CALLS[2:3], 50))
