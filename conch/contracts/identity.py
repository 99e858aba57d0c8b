"""Who a call is for, as the edge tells it: headers that Triton forwards to every model and ensemble step."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from conch.contracts.thresholds import DEFAULT_THRESHOLDS, Thresholds

TENANT_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
"""What a tenant may be called; a name of this form can forge no log line, no label and no header."""

TENANT_HEADER = "x-conch-tenant"
REQUEST_ID_HEADER = "x-conch-request-id"
TRACEPARENT_HEADER = "traceparent"
KEY_HEADER = "x-conch-key"
"""Id of the API key that came with the call."""
OPERATOR_HEADER = "x-conch-operator"
""""true" where that key is an operator's; absent otherwise."""
AUDIO_LIMIT_HEADER = "x-conch-audio-seconds-per-day"
"""What the tenant may have transcribed; absent where it may have as much as it likes."""
MODELS_HEADER = "x-conch-models"
"""Those that the tenant may call, for the gateway; absent where it may call every one."""
GATE_HEADER = "x-conch-gate"
"""The tenant's own thresholds, as thresholds.py writes them; absent where they are the defaults."""
FORWARDED_PATTERN = "x-conch-.*|traceparent"
"""Triton's --grpc-header-forward-pattern: the headers above reach models as request parameters."""

_SECONDS = re.compile(r"[0-9]{1,9}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Identity:
    """Read from forwarded headers only, never from a request's body."""

    tenant: str = "default"
    request_id: str = ""
    traceparent: str = ""
    """Of the span that asks, as W3C writes it; empty where nobody traces."""
    audio_seconds_per_day: int | None = None
    """The tenant's limit, as the edge tells it; None is none."""
    models: frozenset[str] | None = None
    """Those that the tenant may call; None: every one."""
    thresholds: Thresholds = DEFAULT_THRESHOLDS
    """What the gate asks of the tenant's commands."""

    @property
    def trace_id(self) -> str:
        """What log lines and traces share; empty where there is none."""
        match = _TRACEPARENT.fullmatch(self.traceparent)
        return match[1] if match is not None else ""

    @property
    def sampled(self) -> bool:
        """Whether a span of this call is wanted: no probe's is, and not every caller's."""
        match = _TRACEPARENT.fullmatch(self.traceparent)
        return match is not None and int(match[2], 16) & 1 == 1


def audio_limit(text: str | None) -> int | None:
    """Of the header's text. The edge writes whole seconds; whoever writes anything else may send nothing."""
    if text is None:
        return None
    return int(text) if _SECONDS.fullmatch(text) else 0


def models_text(models: Iterable[str]) -> str:
    """For the header. No model is called "-", and an empty header would be taken for none."""
    return ",".join(models) or "-"


def models_in(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(text.split(","))


ANONYMOUS = Identity()
