import pytest

from benchmarks.perf_analyzer import Report, parsed
from conch.contracts.errors import Unavailable

TABLE = """\
Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,p50 latency,p90 latency,p95 latency,p99 latency
2,1011.17,4,1187,1494,2846,4539,6628
"""
TOLD = """\
Request concurrency: 2
  Client:
    Request count: 1832
    Throughput: 1011.17 infer/sec
  Server:
    Inference count: 1840
    Successful request count: 1840
"""


def test_a_report_is_read_in_milliseconds() -> None:
    assert parsed(TOLD, TABLE) == Report(
        requests=1832, per_s=1011.17, p50_ms=1.494, p90_ms=2.846, p95_ms=4.539, p99_ms=6.628
    )


def test_a_run_that_counted_nothing_is_no_report() -> None:
    with pytest.raises(Unavailable, match="how many requests"):
        parsed("", TABLE)
