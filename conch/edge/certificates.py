"""The edge's certificate and the authorities whose callers it believes; both are read again when they change."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conch.contracts.errors import InvalidRequest
from conch.edge.discovery import Resource, type_url
from conch.edge.settings import Tls

SERVER, CALLERS = "server", "callers"


def secrets(tls: Tls) -> Sequence[Resource]:
    """Raises InvalidRequest where a file is not there."""
    for path in (tls.certificate, tls.key, *([tls.client_ca] if tls.client_ca else [])):
        if not path.is_file():
            raise InvalidRequest(f"no file {path}")
    certificate = {
        "certificate_chain": {"filename": str(tls.certificate)},
        "private_key": {"filename": str(tls.key)},
        # Covers a folder that is swapped whole, as Kubernetes does with secrets.
        "watched_directory": {"path": str(tls.certificate.parent)},
    }
    found: list[Resource] = [_secret(SERVER, "tls_certificate", certificate)]
    if tls.client_ca is not None:
        authorities = {
            "trusted_ca": {"filename": str(tls.client_ca)},
            "watched_directory": {"path": str(tls.client_ca.parent)},
        }
        found.append(_secret(CALLERS, "validation_context", authorities))
    return found


def transport_socket(tls: Tls | None, file: Path) -> dict[str, Any]:
    """What listeners speak; `file` holds the secrets."""
    if tls is None:
        return {
            "name": "envoy.transport_sockets.raw_buffer",
            "typed_config": {"@type": type_url("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer")},
        }
    source = {"resource_api_version": "V3", "path_config_source": {"path": str(file)}}
    common: dict[str, Any] = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificate_sds_secret_configs": [{"name": SERVER, "sds_config": source}],
    }
    if tls.client_ca is not None:
        common["validation_context_sds_secret_config"] = {"name": CALLERS, "sds_config": source}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": type_url("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"),
            "require_client_certificate": tls.client_ca is not None,
            "common_tls_context": common,
        },
    }


def _secret(name: str, kind: str, content: dict[str, Any]) -> Resource:
    return {"@type": type_url("envoy.extensions.transport_sockets.tls.v3.Secret"), "name": name, kind: content}
