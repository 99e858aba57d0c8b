"""The edge's certificate and the authorities whose callers it believes; both are read again when they change."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conch.contracts.errors import InvalidRequest
from conch.edge.discovery import Resource, publish, type_url
from conch.edge.settings import Tls

SERVER, CALLERS = "server", "callers"


@dataclass(frozen=True, slots=True)
class SecretFiles:
    """One for each secret: Envoy takes no file with two."""

    server: Path
    callers: Path


def check_files(tls: Tls) -> None:
    """Raises InvalidRequest where what they name is not there."""
    for path in (tls.certificate, tls.key, *([tls.client_ca] if tls.client_ca else [])):
        if not path.is_file():
            raise InvalidRequest(f"no file {path}")


def publish_secrets(tls: Tls, files: SecretFiles) -> None:
    certificate = {
        "certificate_chain": {"filename": str(tls.certificate)},
        "private_key": {"filename": str(tls.key)},
        # Covers a folder that is swapped whole, as Kubernetes does with secrets.
        "watched_directory": {"path": str(tls.certificate.parent)},
    }
    publish(files.server, [_secret(SERVER, "tls_certificate", certificate)])
    if tls.client_ca is not None:
        authorities = {
            "trusted_ca": {"filename": str(tls.client_ca)},
            "watched_directory": {"path": str(tls.client_ca.parent)},
        }
        publish(files.callers, [_secret(CALLERS, "validation_context", authorities)])


def transport_socket(tls: Tls | None, files: SecretFiles) -> dict[str, Any]:
    """What listeners speak."""
    if tls is None:
        return {
            "name": "envoy.transport_sockets.raw_buffer",
            "typed_config": {"@type": type_url("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer")},
        }
    common: dict[str, Any] = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [_from(SERVER, files.server)],
    }
    if tls.client_ca is not None:
        common["validation_context_sds_secret_config"] = _from(CALLERS, files.callers)
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": type_url("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"),
            "require_client_certificate": tls.client_ca is not None,
            "common_tls_context": common,
        },
    }


def _from(name: str, file: Path) -> dict[str, Any]:
    return {"name": name, "sds_config": {"resource_api_version": "V3", "path_config_source": {"path": str(file)}}}


def _secret(name: str, kind: str, content: dict[str, Any]) -> Resource:
    return {"@type": type_url("envoy.extensions.transport_sockets.tls.v3.Secret"), "name": name, kind: content}
