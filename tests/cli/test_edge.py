"""`conch edge render`, and what Envoy makes of it."""

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from conch.cli.main import app
from conch.stack.envoy import binary
from conch.stack.state import StateFolder

TRITON = ("--triton", "triton-0:8001,triton-0:8000,triton-0:8002")
GATEWAY = ("--gateway", "gateway:8021,gateway:8020")


def conch(*arguments: str, state: Path) -> Result:
    return CliRunner().invoke(app, [*arguments, "--state", str(state)])


@pytest.fixture
def open_to_others(tmp_path: Path) -> Path:
    """A state folder for a container, whose every caller is another machine."""
    (tmp_path / "edge.toml").write_text('listen = "0.0.0.0"\nlisten_metrics = "0.0.0.0"\nplain_text = true\n')
    return tmp_path


def test_envoy_takes_what_is_rendered(open_to_others: Path) -> None:
    assert conch("keys", "create", state=open_to_others).exit_code == 0
    done = conch("edge", "render", *TRITON, "--triton", "b:1,b:2,b:3", *GATEWAY, "--pings", state=open_to_others)
    assert done.exit_code == 0, done.output
    folder = Path(done.stdout.strip())
    checked = subprocess.run(
        [str(binary()), "--mode", "validate", "--config-path", str(folder / "envoy.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert '"0.0.0.0", "port_value": 8001' in (folder / "envoy.yaml").read_text()
    clusters = (folder / "discovery/clusters.json").read_text()
    assert all(f'"{host}"' in clusters for host in ("triton-0", "b", "gateway"))


def test_an_edge_for_others_is_not_rendered_without_keys(open_to_others: Path) -> None:
    refused = conch("edge", "render", *TRITON, *GATEWAY, state=open_to_others)
    assert refused.exit_code == 1
    assert "there is no key: conch keys create" in refused.stderr.replace("\n", " ")
    assert not (open_to_others / "data/edge/envoy.yaml").exists()


def test_a_stack_that_runs_keeps_its_edge(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    lock = folder.hold()
    try:
        refused = conch("edge", "render", *TRITON, *GATEWAY, state=tmp_path)
    finally:
        lock.release()
    assert refused.exit_code == 1
    assert "a stack is already running" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((*TRITON, "--gateway", "gateway:8021"), "'gateway:8021' has 1 addresses, 2 are needed"),
        (("--triton", "a:1,b:2", *GATEWAY), "'a:1,b:2' has 2 addresses, 3 are needed"),
        (("--triton", "a:1,b:2,c", *GATEWAY), "'c' is not an address: host:port is"),
    ],
    ids=["gateway", "triton", "no port"],
)
def test_addresses_that_are_none_are_named(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    refused = conch("edge", "render", *arguments, state=tmp_path)
    assert refused.exit_code == 1
    assert reason in refused.stderr
