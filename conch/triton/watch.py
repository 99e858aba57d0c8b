"""Tell of every request that a model has answered: its seconds by tenant, and its span where somebody traces."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from conch.contracts.errors import ConchError
from conch.contracts.identity import TRACEPARENT_HEADER, Identity
from conch.contracts.refusals import kind_of
from conch.tracing import Attributes, Spans
from conch.triton.batching import Answer, Call
from conch.triton.counts import Counts
from conch.triton.metering import AudioMs


@dataclass(frozen=True, slots=True)
class Moment:
    at_s: float = field(default_factory=time.perf_counter)
    at_ns: int = field(default_factory=time.time_ns)


class Watch:
    def __init__(self, model: str, version: str, counts: Counts, spans: Spans, audio_ms: AudioMs | None = None) -> None:
        """`audio_ms` None: of a model that hears nothing."""
        self._name = model
        self._counts = counts
        self._spans = spans
        self._audio_ms = audio_ms
        self._attributes: Attributes = {"conch.model": model, "conch.model.version": version}

    @property
    def traces(self) -> bool:
        return self._spans.active

    def answered(self, since: Moment, calls: Sequence[Call], answers: Sequence[Answer]) -> None:
        """`since`: when the model was given the batch that these calls are."""
        seconds = time.perf_counter() - since.at_s
        self._counts.answered((call.identity.tenant for call in calls), seconds)
        if self._audio_ms is not None:
            for call, answer in zip(calls, answers, strict=True):
                if not isinstance(answer, ConchError):
                    self._counts.heard(call.identity.tenant, self._audio_ms(call.inputs) / 1000)
        if self._spans.active:
            for call, answer in zip(calls, answers, strict=True):
                if call.identity.sampled:
                    self._span(since, call, answer, len(calls))

    def close(self) -> None:
        self._spans.close()

    def _span(self, since: Moment, call: Call, answer: Answer, together: int) -> None:
        identity = call.identity
        attributes = {
            **self._attributes,
            "conch.tenant": identity.tenant,
            "conch.request_id": identity.request_id,
            "conch.rows": call.batch,
            "conch.batch.requests": together,
        }
        name = f"model {self._name}"
        span = self._spans.start(
            name, identity.traceparent, kind="server", attributes=attributes, started_ns=since.at_ns
        )
        span.end(kind_of(answer).__name__ if isinstance(answer, ConchError) else "")


def asked_by(identity: Identity, context: str | None) -> Identity:
    """`context` is Triton's own span of this request, as JSON; None where Triton does not trace."""
    inner = json.loads(context).get(TRACEPARENT_HEADER) if context else None
    return replace(identity, traceparent=inner) if isinstance(inner, str) else identity
