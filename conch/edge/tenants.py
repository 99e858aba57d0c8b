"""Who may call what and how often: the tenants file.

    [tenants.acme]
    models = ["whisper", "intent"]     # default: every model
    stream = true                      # ModelStreamInfer: then every model, see docs/edge.md. Default: false
    calls_per_second = 50              # default: no limit
    burst = 100                        # default: as calls_per_second
    calls_at_once = 16                 # default: no limit
    audio_seconds_per_day = 3600       # default: no limit; see docs/edge.md for what counts

    [tenants.acme.gate]                # what a command must reach to be acted on; see docs/voice.md
    execute = 0.9                      # default: 0.85

A key names its tenant; a tenant that is not in the file may call nothing. "default", the tenant of calls without a
key, is always there: every model, streams, no limits, unless the file says otherwise.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from conch.contracts.errors import InvalidRequest, NotFound
from conch.contracts.identity import TENANT_NAME
from conch.contracts.thresholds import DEFAULT_THRESHOLDS, Thresholds

DEFAULT = "default"
NAME = TENANT_NAME
MODEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
MOST = 1_000_000
"""Of anything that is counted here."""


@dataclass(frozen=True, slots=True)
class Tenant:
    name: str
    models: tuple[str, ...] | None = None
    """None: every one."""
    stream: bool = False
    """May open ModelStreamInfer, whose later messages name models that the edge does not read."""
    calls_per_second: int | None = None
    burst: int | None = None
    """Calls that a quiet tenant may send at once; None: as many as in a second."""
    calls_at_once: int | None = None
    audio_seconds_per_day: int | None = None
    """Counted by the models that transcribe; a day is one in UTC."""
    gate: Thresholds = DEFAULT_THRESHOLDS

    @classmethod
    def decode(cls, name: str, table: Any) -> Self:
        if not NAME.fullmatch(name):
            raise InvalidRequest(f"tenant {name!r} is not named with a-z, 0-9, - and _, at most 63 of them")
        if not isinstance(table, dict):
            raise InvalidRequest(f"tenants.{name} is not a table")
        known = {field.name for field in fields(cls)} - {"name"}
        if unknown := sorted(table.keys() - known):
            raise InvalidRequest(f"tenants.{name} has {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        tenant = cls(
            name,
            _models(name, table.get("models")),
            _switch(name, "stream", table.get("stream", False)),
            _count(name, "calls_per_second", table.get("calls_per_second")),
            _count(name, "burst", table.get("burst")),
            _count(name, "calls_at_once", table.get("calls_at_once")),
            _count(name, "audio_seconds_per_day", table.get("audio_seconds_per_day")),
            _gate(name, table.get("gate", {})),
        )
        if tenant.burst is not None and tenant.calls_per_second is None:
            raise InvalidRequest(f"tenants.{name} has burst = {tenant.burst} without calls_per_second")
        return tenant


@dataclass(frozen=True, slots=True)
class Tenants:
    by_name: Mapping[str, Tenant]

    @classmethod
    def read(cls, path: Path) -> Self:
        """A file that is not there names nobody but the default tenant."""
        try:
            text = path.read_text()
        except FileNotFoundError:
            text = ""
        return cls.decode(text)

    @classmethod
    def decode(cls, text: str) -> Self:
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidRequest(f"the tenants file is not TOML: {error}") from error
        if unknown := sorted(document.keys() - {"tenants"}):
            raise InvalidRequest(f"the tenants file has {', '.join(unknown)}; it holds [tenants.NAME] alone")
        tables = document.get("tenants", {})
        if not isinstance(tables, dict):
            raise InvalidRequest("tenants is not a table of tables")
        named = {name: Tenant.decode(name, table) for name, table in tables.items()}
        return cls({DEFAULT: Tenant(DEFAULT, stream=True), **named})

    def __getitem__(self, name: str) -> Tenant:
        if name not in self.by_name:
            raise NotFound(f"no tenant {name}; the tenants file has {', '.join(sorted(self.by_name))}")
        return self.by_name[name]


def _models(tenant: str, value: Any) -> tuple[str, ...] | None:
    if value is None or value == ["*"]:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) and MODEL_NAME.fullmatch(name) for name in value):
        raise InvalidRequest(f"tenants.{tenant}.models is {value!r}, not a list of models' names")
    return tuple(sorted(set(value)))


def _gate(tenant: str, value: Any) -> Thresholds:
    if not isinstance(value, dict):
        raise InvalidRequest(f"tenants.{tenant}.gate is {value!r}, not a table")
    try:
        return Thresholds.of(value)
    except InvalidRequest as error:
        raise InvalidRequest(f"tenants.{tenant}.gate: {error.message}") from error


def _switch(tenant: str, name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"tenants.{tenant}.{name} is {value!r}, not true or false")
    return value


def _count(tenant: str, name: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST:
        raise InvalidRequest(f"tenants.{tenant}.{name} is {value!r}, not a whole number from 1 to {MOST}")
    return value
