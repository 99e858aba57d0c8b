"""Locust's scenarios make real calls, of both faces and for both tenants, and count what fails."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.traffic import Target, own_target, ridden


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with own_target() as running:
        yield running


def test_every_call_of_mixed_traffic_is_answered(target: Target, tmp_path: Path) -> None:
    *lines, all_of_them = ridden("mixed", target, users=4, seconds=3, report=tmp_path)
    assert {line.name.partition(":")[0] for line in lines} == {"acme", "beta"}
    assert {line.face for line in lines} - {"GET"} == {"gRPC", "POST"}
    assert all_of_them.requests == sum(line.requests for line in lines) > 0
    assert all_of_them.failures == 0
    assert (tmp_path / "mixed.html").stat().st_size > 1000


@pytest.mark.parametrize("scenario", ["grpc_face", "http_face"])
def test_a_call_that_is_refused_is_counted_as_failed(target: Target, tmp_path: Path, scenario: str) -> None:
    *lines, all_of_them = ridden(scenario, replace(target, keys="acme=forged"), users=1, seconds=1, report=tmp_path)
    assert {line.name.partition(":")[0] for line in lines} == {"acme"}
    assert all_of_them.failures == all_of_them.requests > 0
