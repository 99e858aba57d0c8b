"""TLS and certificates of callers, and both changed while the edge runs."""

import shutil
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from conch.contracts.errors import InvalidRequest
from conch.edge.settings import Tls
from conch.stack.envoy import fronting


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates, made by the openssl program."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def make(self) -> "Authority":
        self.folder.mkdir(parents=True)
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
            *(
                "-keyout",
                str(self.folder / "ca.key"),
                "-out",
                str(self.certificate),
                "-subj",
                f"/CN={self.folder.name}",
            ),
        )
        return self

    def sign(self, name: str) -> tuple[Path, Path]:
        """A certificate for this machine, and its key."""
        key, request, certificate = (self.folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}"),
        )
        extensions = self.folder / f"{name}.ext"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key")),
            *("-CAcreateserial", "-days", "2", "-extfile", str(extensions), "-out", str(certificate)),
        )
        return certificate, key


def _openssl(*arguments: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("there is no openssl program to make certificates with")
    subprocess.run([program, *arguments], check=True, capture_output=True)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority").make()


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
    other = Authority(tmp_path / "other").make()
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
    stranger = Authority(tmp_path / "stranger").make()
    with fronting(edge) as running:
        assert _status(running, authority) == 0
        assert _status(running, authority, stranger.sign("caller")) == 0
        assert _status(running, authority, authority.sign("caller")) == 200


def test_a_certificate_that_is_not_there_is_named(make_edge: Callable[..., Any], triton: Any, tmp_path: Path) -> None:
    edge = make_edge(triton, tls=Tls(tmp_path / "no.pem", tmp_path / "no.key"))
    with pytest.raises(InvalidRequest, match=r"no file .*no\.pem"):
        edge.prepare()


def _status(running: Any, authority: Authority, shown: tuple[Path, Path] | None = None) -> int:
    """Of a call over HTTPS; 0 where no connection came about."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if shown is not None:
        context.load_cert_chain(*shown)
    try:
        port = running.edge.settings.listening.http.port
        return httpx.get(f"https://localhost:{port}/v1/models", verify=context, timeout=10).status_code
    except httpx.TransportError:
        return 0


def _grpc_says(running: Any, authority: Authority) -> str:
    credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
    port = running.edge.settings.listening.grpc.port
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        _, call = channel.unary_unary("/conch.test.Talk/Say").with_call(b"", timeout=10)
        return str(dict(call.trailing_metadata())["standing-in"])
