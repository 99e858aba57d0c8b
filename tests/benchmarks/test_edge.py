from benchmarks.edge import Figures, compared, reached
from benchmarks.perf_analyzer import Face
from benchmarks.ways import ENVOY, EVERYTHING, TRITON


def round_of(slowness: float, keyed_per_s: float) -> dict[str, Figures]:
    """A machine that is busier in one round than in another slows every way down."""
    return {
        TRITON: Figures(2000 / slowness, 0.5 * slowness, 1.0, 0.0),
        ENVOY: Figures(1000 / slowness, 1.0 * slowness, 2.0, 100.0),
        EVERYTHING: Figures(keyed_per_s / slowness, 1.5 * slowness, 3.0, 150.0),
    }


def test_ways_are_held_against_others_of_their_own_round() -> None:
    lines = compared(Face.GRPC, 1, [round_of(1, 900), round_of(4, 800), round_of(2, 700)])
    assert [line.way for line in lines] == [TRITON, ENVOY, EVERYTHING]
    assert [line.throughput_by_envoy for line in lines] == [2.0, 1.0, 0.8]
    assert lines[2].p50_beyond_triton_ms == 2.0
    assert lines[2].proxy_beyond_envoy_us == 50.0


def test_an_aim_is_reached_by_the_worst_line_that_it_speaks_of() -> None:
    alone = compared(Face.GRPC, 1, [round_of(1, 950)])
    crowded = compared(Face.STREAM, 16, [round_of(3, 900)])
    assert reached([*alone, *crowded]) == {"throughput_by_envoy": 0.9, "p50_beyond_triton_ms": 1.0}
