"""NVIDIA's load generator against the edge, with a key: every answer must be good, or it gives up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.perf_analyzer import Face, Load, Report, perf_analyzer
from conch.contracts.errors import Unavailable
from tests.conformance.local import running


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with running(tmp_path_factory.mktemp("perf")) as servers:
        yield servers


@pytest.mark.parametrize("face", Face)
def test_it_measures_the_edge(local: Any, face: Face) -> None:
    model, text = ("repeat", "one two") if face is Face.STREAM else ("add_sub", None)
    address = local.edge.url.removeprefix("http://") if face is Face.HTTP else local.edge.grpc
    report = perf_analyzer(Load(address, model, face, concurrency=4, window_ms=300, text=text, key=local.edge.key))
    assert isinstance(report, Report)
    assert report.requests > 0
    assert report.per_s > 0
    assert 0 < report.p50_ms <= report.p90_ms <= report.p95_ms <= report.p99_ms


def test_a_failure_is_told_and_is_no_report(local: Any) -> None:
    with pytest.raises(Unavailable, match="unknown model"):
        perf_analyzer(Load(local.edge.grpc, "no_such_model", key=local.edge.key))


def test_what_it_leaves_behind_is_the_program_alone(
    local: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    perf_analyzer(Load(local.edge.grpc, "add_sub", window_ms=300, key=local.edge.key))
    assert list(tmp_path.iterdir()) == []
