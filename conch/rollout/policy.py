"""What an operator decides about publishing: rollout.toml in the state folder.

loaded_versions = 2             # of a model: the champion and those before it, warm. Default: 2
warm_bytes = 2000000000         # files of all versions that are warm, of all models. Default: no bound
trusted_keys = ["pNQp…"]        # who may sign versions that bring Python of their own. Default: nobody
vital = ["whisper", "intent"]   # without them a server is not ready, see docs/servers.md. Default: all of Conch's own

[on_demand]                     # models that are loaded when they are called; see on_demand/terms.py
models = ["piper"]

[sources.releases]              # versions that are fetched; see docs/rollout.md
s3 = "s3://bucket/models"
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.rollout.on_demand.terms import Terms, names
from conch.rollout.sources.address import SourceAddress

_KEY = re.compile(r"[A-Za-z0-9_-]{43}")
"""32 bytes as base64url."""
KEYS = ("loaded_versions", "warm_bytes", "trusted_keys", "vital", "on_demand", "sources")


@dataclass(frozen=True, slots=True)
class Policy:
    loaded_versions: int = 2
    """The champion, and those before it, warm."""
    warm_bytes: int | None = None
    """Of the files of warm versions, which stand for their memory; the oldest are unloaded first."""
    trusted_keys: tuple[str, ...] = ()
    """Public halves of Ed25519 keys, base64url."""
    sources: Mapping[str, SourceAddress] = field(default_factory=dict)
    on_demand: Terms = field(default_factory=Terms)
    vital: tuple[str, ...] = ()
    """Models without which a server is not ready; empty: those that ship with Conch, as far as they are served."""

    @classmethod
    def read(cls, root: Path) -> Self:
        """A file that is not there decides nothing. Read anew for each publishing.

        Raises Unavailable for one that is wrong, which is no fault of what is published.
        """
        try:
            text = (root / "rollout.toml").read_text(encoding="utf-8")
        except FileNotFoundError:
            text = ""
        try:
            return cls.decode(text)
        except InvalidRequest as error:
            raise Unavailable(error.message) from error

    @classmethod
    def decode(cls, text: str) -> Self:
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidRequest(f"rollout.toml is not TOML: {error}") from error
        if unknown := sorted(document.keys() - set(KEYS)):
            raise InvalidRequest(f"rollout.toml has {', '.join(unknown)}; there are {', '.join(KEYS)}")
        return cls(
            _count("loaded_versions", document.get("loaded_versions", 2), least=1),
            _count("warm_bytes", document["warm_bytes"], least=0) if "warm_bytes" in document else None,
            _keys(document.get("trusted_keys", [])),
            _sources(document.get("sources", {})),
            Terms.decode(document.get("on_demand", {})),
            names("vital", document.get("vital", [])),
        )


def _sources(tables: Any) -> dict[str, SourceAddress]:
    if not isinstance(tables, dict):
        raise InvalidRequest("rollout.toml: sources is not a table of tables")
    return {name: SourceAddress.decode(name, table) for name, table in tables.items()}


def _count(name: str, value: Any, *, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidRequest(f"rollout.toml: {name} is {value!r}, not a whole number from {least}")
    return value


def _keys(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise InvalidRequest(f"rollout.toml: trusted_keys is {value!r}, not a list")
    for one in value:
        if not isinstance(one, str) or not _KEY.fullmatch(one):
            raise InvalidRequest(f"rollout.toml: trusted_keys has {one!r}, no public key as conch models sign tells it")
    return tuple(value)
