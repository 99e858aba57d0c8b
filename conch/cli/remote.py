"""A stack on another machine, by its edge: for the commands that an operator gives from elsewhere."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from conch.clients.edge.connection import Tls
from conch.clients.edge.models import ModelsClient, SentFile
from conch.contracts.errors import InvalidRequest
from conch.rollout.folders import CONFIG, CONFIGS, PROBES
from conch.rollout.manifest import files_of
from conch.rollout.refusals import RefusedVersion
from conch.rollout.source import Source

Url = Annotated[
    str,
    typer.Option(
        "--url",
        metavar="URL",
        help="The edge of a stack elsewhere, https://host:8001, or http:// without TLS; needs an operator's key.",
        show_default=False,
    ),
]
Ca = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="PEM: the authorities to trust at --url.", show_default=False),
]


def models_at(url: str, key: str, ca: Path | None) -> ModelsClient:
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        complete = bool(parts.hostname and parts.port)
    except ValueError:
        complete = False
    if parts.scheme not in ("http", "https") or not complete or parts.path not in ("", "/"):
        raise InvalidRequest(f"{url!r} is no URL of an edge: https://host:8001")
    return ModelsClient(parts.netloc, api_key=key, tls=Tls(ca=ca) if parts.scheme == "https" else None)


def files_to_send(path: Path) -> list[SentFile]:
    """As the other side will find them: a config that stands beside its version stays there."""
    source = Source.read(path)
    apart = source.config is not None and source.config != source.data
    inside = f"{source.number}/" if apart else ""
    files = [SentFile(inside + one.relative_to(source.data).as_posix(), one) for one in files_of(source.data)]
    if apart and source.config is not None:
        own = [source.config / CONFIG, source.config / PROBES, *sorted((source.config / CONFIGS).glob("*.pbtxt"))]
        files += [SentFile(one.relative_to(source.config).as_posix(), one) for one in own if one.is_file()]
    for file in files:
        if file.source.is_symlink() or not file.source.is_file():
            raise RefusedVersion(f"{file.path} is no plain file: a version holds its files itself")
    return files
