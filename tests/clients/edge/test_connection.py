"""TLS, of both clients, with a server that shows a certificate and asks for one."""

from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest

from conch import InvalidRequest, Retries, Tls, Unavailable
from conch.clients.edge.connection import Connection
from conch.contracts.pb.voice.v1 import voice_pb2_grpc
from tests.clients.edge.conftest import KEY, Scripted
from tests.edge.authority import Authority

ONCE = Retries(attempts=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture
def careful(authority: Authority) -> Iterator[str]:
    """The address of a server that lets nobody in without a certificate."""
    certificate, key = (path.read_bytes() for path in authority.sign("server"))
    server = grpc.server(futures.ThreadPoolExecutor(2))
    voice_pb2_grpc.add_VoiceServicer_to_server(Scripted(), server)  # type: ignore[no-untyped-call]
    trusted = authority.certificate.read_bytes()
    credentials = grpc.ssl_server_credentials([(key, certificate)], trusted, require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_each_side_shows_its_certificate(connect: Callable[..., Any], careful: str, authority: Authority) -> None:
    certificate, key = authority.sign("caller")
    tls = Tls(ca=authority.certificate, certificate=certificate, key=str(key))
    assert connect(careful, tls=tls, api_key=KEY).understand("hello").text == "hello"


def test_a_caller_without_a_certificate_is_left_outside(
    connect: Callable[..., Any], careful: str, authority: Authority
) -> None:
    with pytest.raises(Unavailable):
        connect(careful, tls=Tls(ca=authority.certificate), retries=ONCE).understand("hello", timeout_s=20)


def test_a_server_that_an_unknown_authority_signed_is_not_trusted(
    connect: Callable[..., Any], careful: str, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "theirs")
    certificate, key = other.sign("caller")
    client = connect(careful, tls=Tls(other.certificate, certificate, key), retries=ONCE)
    with pytest.raises(Unavailable):
        client.understand("hello", timeout_s=20)


def test_a_certificate_without_its_key_is_refused(authority: Authority) -> None:
    with pytest.raises(InvalidRequest, match="go together"):
        Tls(certificate=authority.certificate).credentials()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"ca\.pem cannot be read"):
        Tls(ca=tmp_path / "ca.pem").credentials()


def test_a_key_is_not_printed() -> None:
    assert KEY not in repr(Connection(api_key=KEY))
