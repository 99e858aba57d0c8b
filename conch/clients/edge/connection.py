"""Where a client calls, as whom, and whom it trusts there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from conch.contracts.errors import InvalidRequest
from conch.contracts.identity import REQUEST_ID_HEADER

DEFAULT_ADDRESS = "127.0.0.1:8001"

MAX_MESSAGE_BYTES = 256 * 2**20
"""Above every limit of the servers, so that it is they who refuse, by their own words."""

OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # A restarted server is found again within a second; gRPC's own backoff grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A server that vanished without a word is noticed while a call runs.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # gRPC shares connections of equal channels in a process; this one's life is its own.
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Tls:
    """Speak TLS. All files are PEM; `Tls()` trusts the authorities that gRPC comes with."""

    ca: Path | str | None = None
    """Certificates of the authorities to trust instead."""
    certificate: Path | str | None = None
    """The client's own, where the edge asks for one."""
    key: Path | str | None = None
    """Of that certificate."""

    def credentials(self) -> grpc.ChannelCredentials:
        if (self.certificate is None) is not (self.key is None):
            raise InvalidRequest("a client certificate and its key go together, and one of the two is not given")
        return grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.certificate))


@dataclass(frozen=True, slots=True)
class Connection:
    address: str = DEFAULT_ADDRESS
    api_key: str = field(default="", repr=False)
    tls: Tls | None = None
    """None speaks plain text."""

    def headers(self, request_id: str = "") -> tuple[tuple[str, str], ...]:
        headers = [("authorization", f"Bearer {self.api_key}")] if self.api_key else []
        if request_id:
            headers.append((REQUEST_ID_HEADER, request_id))
        for name, value in headers:
            if not (value.isascii() and value.isprintable()):
                raise InvalidRequest(f"{name} holds characters that no header takes")
        return tuple(headers)


def _read(path: Path | str | None) -> bytes | None:
    try:
        return None if path is None else Path(path).read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
