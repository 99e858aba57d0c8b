"""OpenAI's error object as the edge fills it in for what it refuses itself, from the one table of errors."""

from typing import Any

from conch.contracts.errors import InvalidRequest, PermissionDenied, TooMuch, Unauthenticated, Unavailable
from conch.contracts.refusals import TABLE, TOO_MUCH_FOR_NOW, Refusal

ROWS: dict[str, Refusal] = {
    "openai_401": TABLE[Unauthenticated],
    "openai_403": TABLE[PermissionDenied],
    "openai_413": TABLE[TooMuch],
    "openai_429": TOO_MUCH_FOR_NOW,
    "openai_5xx": TABLE[Unavailable],
    "openai_400": TABLE[InvalidRequest],
}
"""By the name that deploy/envoy/edge.yaml has for it; the last is of every other status."""


def openai_bodies() -> dict[str, Any]:
    return {name: {"json_format": {"error": _error(row)}} for name, row in ROWS.items()}


def _error(row: Refusal) -> dict[str, Any]:
    return {"message": "%LOCAL_REPLY_BODY%", "type": row.openai_type, "param": None, "code": row.openai_code}
