"""One call of ours: whose it is, and until when it may take."""

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from conch.clients.inference import CallOptions
from conch.contracts.errors import DeadlineExceeded, InvalidRequest
from conch.contracts.identity import (
    ANONYMOUS,
    AUDIO_LIMIT_HEADER,
    GATE_HEADER,
    MODELS_HEADER,
    REQUEST_ID_HEADER,
    TENANT_HEADER,
    TRACEPARENT_HEADER,
    Identity,
    audio_limit,
    models_in,
)
from conch.contracts.specs import PRIORITY_BULK, PRIORITY_INTERACTIVE
from conch.contracts.thresholds import DEFAULT_THRESHOLDS, Thresholds
from gateway.admission import Place

FOREIGN_REQUEST_ID_HEADER = "x-request-id"
"""What proxies and other programs call it; ours wins where both come."""

_PLAIN = re.compile(r"[A-Za-z0-9._:/@+=-]{1,128}")


@dataclass(frozen=True, slots=True)
class Call:
    identity: Identity
    ends_at: float
    """By time.monotonic()."""
    place: Place | None = field(default=None, compare=False)
    """Among the running; None where nobody counts."""

    @property
    def remaining_s(self) -> float:
        return self.ends_at - time.monotonic()

    def asked_by_somebody(self) -> CallOptions:
        """For what somebody waits for: before bulk in every queue."""
        return self._options(PRIORITY_INTERACTIVE)

    def in_bulk(self) -> CallOptions:
        return self._options(PRIORITY_BULK)

    def check_time(self) -> None:
        if (remaining_s := self.remaining_s) <= 0:
            raise DeadlineExceeded(f"the call's time is over, by {-remaining_s:.3f} s")

    def _options(self, priority: int) -> CallOptions:
        self.check_time()
        remaining_s = self.remaining_s
        identity = self.identity
        return CallOptions(
            identity.request_id,
            identity.tenant,
            priority,
            remaining_s,
            identity.traceparent,
            audio_seconds_per_day=identity.audio_seconds_per_day,
            models=identity.models,
        )


def identify(headers: Mapping[str, str]) -> Identity:
    """From headers by lower-case names. A request id is made where none comes, or none that is plain."""
    given = headers.get(REQUEST_ID_HEADER) or headers.get(FOREIGN_REQUEST_ID_HEADER) or ""
    traceparent = headers.get(TRACEPARENT_HEADER, "")
    gate = headers.get(GATE_HEADER)
    return Identity(
        tenant=headers.get(TENANT_HEADER, ANONYMOUS.tenant),
        request_id=given if is_plain(given) else str(uuid.uuid4()),
        traceparent=traceparent if is_plain(traceparent) else "",
        audio_seconds_per_day=audio_limit(headers.get(AUDIO_LIMIT_HEADER)),
        models=models_in(headers.get(MODELS_HEADER)),
        thresholds=Thresholds.decode(gate) if gate else DEFAULT_THRESHOLDS,
    )


def is_plain(word: str) -> bool:
    """Short and without what could forge a log line or a header."""
    return _PLAIN.fullmatch(word) is not None


def check_tenant(identity: Identity) -> None:
    if not is_plain(identity.tenant):
        raise InvalidRequest(
            f"{TENANT_HEADER} has {len(identity.tenant)} characters or odd ones; 1 to 128 plain ones do"
        )
