"""up, status and down where no stack runs and none can be started."""

import json
import os

import pytest
from typer.testing import CliRunner

from conch.cli.main import app
from conch.stack.processes import ProcessMark
from conch.stack.state import ServiceState, ServiceStatus, StackStatus, StateFolder

runner = CliRunner()


def conch(*arguments):
    return runner.invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("option", ["--otlp", "--otlp-http"])
def test_up_refuses_a_collector_that_is_no_address(option, tmp_path):
    done = conch("up", "--state", tmp_path, option, "https://collector/v1/traces")
    assert done.exit_code == 1
    assert "'https://collector/v1/traces' is not an address: host:port is" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize("command", ["status", "down"])
def test_without_a_stack_a_command_says_how_to_start_one_and_exits_3(command, tmp_path):
    done = conch(command, "--state", tmp_path)
    assert done.exit_code == 3
    assert done.stderr == f"no stack is running in {tmp_path}; start one: conch up --detach --state {tmp_path}\n"
    assert done.stdout == ""


@pytest.fixture
def stack(tmp_path):
    """A status as a supervisor writes it; the supervisor is this process."""
    folder = StateFolder(tmp_path)
    folder.create()
    services = {
        "redis": ServiceStatus(ServiceState.READY, 17, {"redis": "127.0.0.1:8030"}),
        "gateway": ServiceStatus(ServiceState.RESTARTING, None, {"grpc": "127.0.0.1:8021", "http": "127.0.0.1:8020"}),
    }
    folder.write_status(StackStatus(ProcessMark.of(os.getpid()), services))
    return folder


def test_status_as_json_has_the_documented_form(stack):
    done = conch("status", "--json", "--state", stack.root)
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "ready": False,
        "pid": os.getpid(),
        "services": {
            "redis": {"state": "ready", "pid": 17, "addresses": {"redis": "127.0.0.1:8030"}},
            "gateway": {
                "state": "restarting",
                "pid": None,
                "addresses": {"grpc": "127.0.0.1:8021", "http": "127.0.0.1:8020"},
            },
        },
    }


def test_status_for_people_names_every_service_and_its_address(stack):
    done = conch("status", "--state", stack.root)
    assert done.exit_code == 0
    for word in ("redis", "ready", "17", "127.0.0.1:8030", "gateway", "restarting", f"not ready (pid {os.getpid()})"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "gateway"], "--port 'gateway' is not SERVICE.FACE=NUMBER"),
        (["--port", "redis.redis=65536"], "--port 'redis.redis=65536' is not SERVICE.FACE=NUMBER"),
        (["--only", "redis,postgres"], "there is no service 'postgres'"),
        (["--only", "redis", "--port", "triton.grpc=0"], "there is no port triton.grpc; there are redis.redis"),
    ],
    ids=["no number", "a number that is no port", "an unknown service", "a port of a service left out"],
)
def test_up_refuses_what_it_does_not_understand(arguments, message, tmp_path):
    done = conch("up", "--detach", "--state", tmp_path, *arguments)
    assert done.exit_code == 1
    assert message in done.stderr
    assert not (tmp_path / "run" / "stack.json").exists()


def test_up_refuses_a_durable_store_that_has_no_address(tmp_path, monkeypatch):
    monkeypatch.setenv("CONCH_CQL", "scylla")
    done = conch("up", "--state", tmp_path)
    assert done.exit_code == 1
    assert "CONCH_CQL has 'scylla', not host:port" in done.stderr


@pytest.mark.parametrize("options", [(), ("--detach",)], ids=["here", "detached"])
@pytest.mark.parametrize(
    ("keys", "said"), [(False, "there is no key: conch keys create"), (True, "keys would travel readable")]
)
def test_up_does_not_open_the_edge_to_others_without_keys_or_without_tls(tmp_path, options, keys, said):
    (tmp_path / "edge.toml").write_text('listen = "0.0.0.0"\n')
    if keys:
        assert conch("keys", "create", "--state", tmp_path).exit_code == 0
    refused = conch("up", "--only", "edge", "--state", tmp_path, *options)
    assert refused.exit_code == 2
    assert "HTTP on 0.0.0.0:" in refused.stderr
    assert said in refused.stderr
    assert not (tmp_path / "run" / "stack.json").exists()
    assert not (tmp_path / "live").exists() or not any((tmp_path / "live/models").iterdir())
    assert not (tmp_path / "data/edge/envoy.yaml").exists()
