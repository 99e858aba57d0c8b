"""Publishing from elsewhere: the process as the stack starts it, behind a real edge, before a real Triton."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import httpx
import pytest
from typer.testing import CliRunner

from conch.cli.main import app
from conch.clients.edge.models import ModelAction, ModelsClient, Watching
from conch.contracts.errors import PermissionDenied, Unauthenticated
from conch.contracts.pb.models.v1 import models_pb2 as pb
from conch.contracts.pb.models.v1.models_pb2_grpc import ModelsStub
from conch.edge.edge import Edge
from conch.edge.settings import Address, EdgeSettings, Listening, TritonServer, Upstreams
from conch.rollout.folders import Folders
from conch.stack.envoy import fronting
from conch.stack.serving import free_ports, serving
from tests.settling import becomes

HOST = "127.0.0.1"
SHIPPED = Path(__file__).parents[3] / "model_repository/intent/1"


@contextlib.contextmanager
def publishing(root, server, models, metrics):
    faces = ["--models", models, "--metrics", metrics]
    process = subprocess.Popen([sys.executable, "-m", "conch.rollout", str(root), server.http, server.grpc, *faces])
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A keyed edge; `site.keys` makes keys."""
    root = tmp_path_factory.mktemp("site")
    ports = [Address(HOST, port) for port in free_ports(6)]
    with serving(root, ["intent"], {}) as server:
        triton = TritonServer(*(Address.parse(one) for one in (server.grpc, server.http, server.metrics)))
        upstreams = Upstreams([triton], None, None, models=ports[4])
        edge = Edge(EdgeSettings(Listening(*ports[:4]), upstreams, workers=1), root / "edge", root / "tenants.toml")
        edge.keys.create("default")
        with publishing(root, server, str(ports[4]), str(ports[5])), fronting(edge, ready_s=60):
            with grpc.insecure_channel(str(ports[4])) as channel:
                grpc.channel_ready_future(channel).result(timeout=60)
            yield edge, Folders(root), f"http://{ports[5]}/metrics"


def conch(edge, key, *arguments):
    address = str(edge.settings.listening.grpc)
    return CliRunner().invoke(app, [*map(str, arguments), "--url", f"http://{address}", "--key", key])


def test_an_operator_publishes_and_goes_back_by_the_edge_and_who_watches_is_told(site, tmp_path):
    edge, folders, metrics = site
    key = edge.keys.create("default", operator=True)[1]
    new = shutil.copytree(SHIPPED, tmp_path / "new")
    with ModelsClient(str(edge.settings.listening.grpc), api_key=key) as client:
        watched = client.watch("intent")
        assert any(isinstance(one, Watching) for one in iter(lambda: next(watched), None))

        live = conch(edge, key, "publish", "intent", new, "--note", "from elsewhere", "--expect", "1", "--json")
        assert live.exit_code == 0, live.stderr
        told = {"model": "intent", "champion": 2, "serving": [1, 2], "versions": [1, 2], "generation": 2}
        assert json.loads(live.stdout) == told
        action = next(one for one in watched if isinstance(one, ModelAction))
        watched.close()
    assert (action.action, action.version, action.evidence["note"]) == ("promoted", 2, "from elsewhere")

    (new / "model.py").write_text("import os\n")
    refused = conch(edge, key, "publish", "intent", new)
    assert refused.exit_code == 1
    assert "model.py is foreign Python" in refused.stderr
    back = conch(edge, key, "rollback", "intent", "--expect", "2")
    assert back.stdout == "intent 1 is live\n"
    assert [line.action for line in folders.journal.lines("intent")] == ["promoted", "refused", "rolled back"]

    page = httpx.get(metrics).text
    assert 'conch_rollout_champion{model="intent"} 1.0' in page
    assert 'conch_rollout_actions_total{action="refused",model="intent"} 1.0' in page


def test_nobody_but_an_operator_reaches_it(site):
    edge, folders, _ = site
    before = len(folders.journal.lines())
    address = str(edge.settings.listening.grpc)
    with ModelsClient(address) as client, pytest.raises(Unauthenticated):
        client.models()
    key = edge.keys.create("default")[1]
    with ModelsClient(address, api_key=key) as client:
        with pytest.raises(PermissionDenied, match="needs an operator's key"):
            client.models()
        with pytest.raises(PermissionDenied, match="needs an operator's key"):
            client.publish("intent", [])
        with pytest.raises(PermissionDenied, match="needs an operator's key"):
            next(client.watch())
    assert len(folders.journal.lines()) == before


def test_an_upload_that_breaks_off_changes_nothing(site):
    edge, folders, _ = site
    key = edge.keys.create("default", operator=True)[1]
    before = folders.records.read("intent")
    leave = threading.Event()

    def parts():
        yield pb.PublishRequest(opening=pb.PublishOpening(model="intent"))
        yield pb.PublishRequest(file=pb.PublishFile(path="weights.bin", size_bytes=2**20, sha256="0" * 64))
        leave.wait(120)

    with grpc.insecure_channel(str(edge.settings.listening.grpc)) as channel:
        call = ModelsStub(channel).Publish.future(parts(), metadata=[("authorization", f"Bearer {key}")])
        begun = becomes(lambda: len(list(folders.uploads.glob("*/weights.bin"))), 1, within_s=60)
        call.cancel()
        leave.set()
    assert begun == 1
    assert becomes(lambda: list(folders.uploads.iterdir()), [], within_s=60) == []
    assert folders.records.read("intent") == before
