"""Prometheus reads our rules, and they fire when they should."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from conch.stack.fronted import fronted

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"

Run = Callable[..., "subprocess.CompletedProcess[str]"]

PARSED, LINTED = 0, 3
"""promtool's exit codes for a page that it can read; Triton's and Envoy's names are not all as it advises."""


@pytest.fixture
def run(promtool: Path) -> Run:
    def run(*arguments: str | Path, **options: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([promtool, *arguments], capture_output=True, text=True, timeout=120, **options)

    return run


def test_prometheus_takes_the_configuration_and_every_rule(run: Run) -> None:
    checked = run("check", "config", PROMETHEUS / "prometheus.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "rules").glob("*.yaml")), ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_not_before(run: Run, path: Path) -> None:
    tested = run("test", "rules", path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """All metrics of a front that has served a call."""
    with fronted(tmp_path_factory.mktemp("f"), ["intent"]) as front:
        called = httpx.post(f"http://{front.http}/understand", json={"text": "call mai"}, timeout=60)
        assert called.status_code == 200
        yield httpx.get(f"http://{front.metrics}/metrics", timeout=20).text


def test_prometheus_reads_the_one_page_and_has_nothing_to_say_of_our_names(run: Run, page: str) -> None:
    checked = run("check", "metrics", input=page)
    assert checked.returncode in (PARSED, LINTED), checked.stderr
    assert [line for line in (checked.stdout + checked.stderr).splitlines() if line.startswith("conch_")] == []
