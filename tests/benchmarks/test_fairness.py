from benchmarks.fairness import Overload, median

NOTHING = float("nan")


def test_figures_are_medians_each_by_itself_and_none_where_nothing_was_measured() -> None:
    runs = [Overload(100, good, 0, 100 - good, 0, 1, 9, NOTHING, good / 50) for good in (40.0, 48.0, 45.0)]
    told = median(runs)
    assert (told["good_per_s"], told["refused_per_s"], told["good_by_peak"]) == (45.0, 55.0, 0.9)
    assert told["refused_p99_ms"] is None
