"""TLS and certificates of callers, and both changed while the edge runs."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from conch.contracts.errors import InvalidRequest
from conch.edge.edge import key_store
from conch.edge.files import EdgeFiles
from conch.edge.settings import Address, Tls
from conch.stack.envoy import fronting
from conch.stack.ports import Ports
from conch.stack.processes import ProcessMark
from conch.stack.service import NotYet, Probe, Site
from conch.stack.services.envoy import Envoy
from conch.stack.state import StateFolder
from tests.edge.authority import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def _install(pair: tuple[Path, Path], folder: Path) -> Tls:
    """As an operator does it: each file is renamed into place."""
    folder.mkdir(exist_ok=True)
    for source, name in zip(pair, ("server.pem", "server.key"), strict=True):
        draft = folder / f"{name}.new"
        shutil.copy(source, draft)
        draft.replace(folder / name)
    return Tls(folder / "server.pem", folder / "server.key")


def test_grpc_and_http_speak_tls(
    make_edge: Callable[..., Any], triton: Any, make_caller: Callable[..., Any], authority: Authority, tmp_path: Path
) -> None:
    edge = make_edge(triton, tls=_install(authority.sign("server"), tmp_path / "tls"))
    with fronting(edge) as running:
        assert _status(running, authority) == 200
        assert _grpc_says(running, authority) == "gateway"
        with pytest.raises(httpx.HTTPError):
            make_caller(running).get("/v1/models")


def test_a_renewed_certificate_counts_without_a_restart(
    make_edge: Callable[..., Any], triton: Any, authority: Authority, tmp_path: Path, until: Any
) -> None:
    edge = make_edge(triton, tls=_install(authority.sign("server"), tmp_path / "tls"))
    other = Authority(tmp_path / "other")
    with fronting(edge) as running:
        assert _status(running, authority) == 200
        _install(other.sign("server"), tmp_path / "tls")
        until(lambda: _status(running, other) == 200)
        assert _status(running, authority) == 0
        assert _grpc_says(running, other) == "gateway"


def test_a_certificate_without_its_key_changes_nothing(
    make_edge: Callable[..., Any], triton: Any, authority: Authority, tmp_path: Path, until: Any
) -> None:
    tls = _install(authority.sign("server"), tmp_path / "tls")
    with fronting(make_edge(triton, tls=tls)) as running:
        draft = tls.certificate.with_suffix(".new")
        shutil.copy(authority.sign("another")[0], draft)
        draft.replace(tls.certificate)
        until(lambda: "key_rotation_failed: 1" in running.admin("/stats?filter=key_rotation_failed"))
        assert _status(running, authority) == 200


def test_callers_show_a_certificate_where_one_is_asked_for(
    make_edge: Callable[..., Any], triton: Any, authority: Authority, tmp_path: Path
) -> None:
    server = _install(authority.sign("server"), tmp_path / "tls")
    edge = make_edge(triton, tls=Tls(server.certificate, server.key, client_ca=authority.certificate))
    stranger = Authority(tmp_path / "stranger")
    with fronting(edge) as running:
        assert _status(running, authority) == 0
        assert _status(running, authority, stranger.sign("caller")) == 0
        assert _status(running, authority, authority.sign("caller")) == 200


def test_a_certificate_that_is_not_there_is_named(make_edge: Callable[..., Any], triton: Any, tmp_path: Path) -> None:
    edge = make_edge(triton, tls=Tls(tmp_path / "no.pem", tmp_path / "no.key"))
    with pytest.raises(InvalidRequest, match=r"no file .*no\.pem"):
        edge.prepare()


EVERYWHERE = """
listen = "0.0.0.0"
[tls]
certificate = "tls/server.pem"
key = "tls/server.key"
"""
WITH_CALLERS = EVERYWHERE + 'client_ca = "tls/callers.pem"\n'


@contextlib.contextmanager
def _as_a_service(folder: StateFolder, triton: Any, until: Any) -> Iterator[int]:
    """The edge as `conch up` starts it, from what stands in the state folder; its HTTP port."""
    service = Envoy()
    with Ports({f"edge.{face}": 0 for face in Envoy.ports}) as ports:
        addresses = ports.take_all({"edge": Envoy.ports}, {"edge": service.hosts(folder)})
        server = {"grpc": triton.grpc, "http": triton.http, "metrics": triton.metrics}
        site = Site(folder, addresses={**addresses, "triton": server})
        service.check(site)
        service.prepare(site)
        with subprocess.Popen(service.launch(site).command, stderr=subprocess.DEVNULL) as process:
            probe = service.probe(site, ProcessMark.of_child(process.pid))
            try:
                until(lambda: _passes(probe))
                yield Address.parse(addresses["edge"]["http"]).port
            finally:
                process.terminate()


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path / "state")
    folder.create()
    return folder


def test_a_stack_open_to_others_speaks_tls_and_asks_for_keys(
    folder: StateFolder, triton: Any, authority: Authority, until: Any
) -> None:
    _install(authority.sign("server"), folder.root / "tls")
    (folder.root / "edge.toml").write_text(EVERYWHERE)
    token = key_store(EdgeFiles(folder.data / "edge")).create("default")[1]
    other = Authority(folder.root / "other")
    with _as_a_service(folder, triton, until) as port:
        assert _asked(port, authority) == 401
        assert _asked(port, authority, key=token) == 200
        _install(other.sign("server"), folder.root / "tls")
        until(lambda: _asked(port, other, key=token) == 200)
        assert _asked(port, authority, key=token) == 0


def test_a_stack_open_to_others_may_ask_them_for_certificates(
    folder: StateFolder, triton: Any, authority: Authority, until: Any
) -> None:
    _install(authority.sign("server"), folder.root / "tls")
    shutil.copy(authority.certificate, folder.root / "tls/callers.pem")
    (folder.root / "edge.toml").write_text(WITH_CALLERS)
    token = key_store(EdgeFiles(folder.data / "edge")).create("default")[1]
    caller, stranger = authority.sign("caller"), Authority(folder.root / "stranger")
    with _as_a_service(folder, triton, until) as port:
        assert _asked(port, authority, key=token) == 0
        assert _asked(port, authority, caller) == 401
        assert _asked(port, authority, caller, key=token) == 200
        draft = folder.root / "tls/callers.new"
        shutil.copy(stranger.certificate, draft)
        draft.replace(folder.root / "tls/callers.pem")
        until(lambda: _asked(port, authority, stranger.sign("caller"), key=token) == 200)
        assert _asked(port, authority, caller, key=token) == 0


def _passes(probe: Probe) -> bool:
    try:
        asyncio.run(probe.ready())
    except NotYet:
        return False
    return True


def _status(running: Any, authority: Authority, shown: tuple[Path, Path] | None = None) -> int:
    return _asked(running.edge.settings.listening.http.port, authority, shown, "/v1/models")


def _asked(
    port: int,
    authority: Authority,
    shown: tuple[Path, Path] | None = None,
    path: str = "/v2/models/sum",
    key: str = "",
) -> int:
    """The status of a call over HTTPS; 0 where no connection came about."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if shown is not None:
        context.load_cert_chain(*shown)
    headers = {"x-api-key": key} if key else {}
    try:
        return httpx.get(f"https://localhost:{port}{path}", headers=headers, verify=context, timeout=10).status_code
    except httpx.TransportError:
        return 0


def _grpc_says(running: Any, authority: Authority) -> str:
    credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
    port = running.edge.settings.listening.grpc.port
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        _, call = channel.unary_unary("/conch.test.Talk/Say").with_call(b"", timeout=10)
        return str(dict(call.trailing_metadata())["standing-in"])
