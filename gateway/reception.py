"""What every call passes through, on either face: its deadline, its place among the running, its log line, its metrics.

The faces bring identity and deadline in, and put errors into their own words (rpc/answering.py, http/refusals.py).
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace

from conch.contracts.errors import Cancelled, ConchError, DeadlineExceeded, Internal
from conch.contracts.identity import Identity
from conch.contracts.refusals import kind_of
from conch.tracing import NoSpans, Span, Spans
from gateway.admission import Admission, Place
from gateway.calls import Call, check_tenant, is_plain
from gateway.metrics import Metrics

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds a call may take when its caller does not say."""

    transcribe_s: float = 3600.0
    understand_s: float = 30.0
    speak_s: float = 300.0
    embed_s: float = 30.0
    rerank_s: float = 30.0
    models_s: float = 10.0
    infer_s: float = 60.0
    recommend_s: float = 5.0
    """Of each call of conch.recommend.v1."""
    listen_s: float = math.inf
    """A session lives as long as its stream."""

    def of(self, method: str) -> float:
        by_method = {
            "Transcribe": self.transcribe_s,
            "Understand": self.understand_s,
            "Speak": self.speak_s,
            "Embed": self.embed_s,
            "Rerank": self.rerank_s,
            "Models": self.models_s,
            "Infer": self.infer_s,
            "Listen": self.listen_s,
            "Recommend": self.recommend_s,
            "Related": self.recommend_s,
            "BestSellers": self.recommend_s,
            "Track": self.recommend_s,
        }
        return by_method[method]


@dataclass(frozen=True, slots=True)
class Reception:
    deadlines: Deadlines
    metrics: Metrics
    all_calls: Admission
    calls: Mapping[str, Admission] = field(default_factory=dict)
    """By method, beside `all_calls`: those that cost more than others."""
    apart: Mapping[str, Admission] = field(default_factory=dict)
    """By method, in place of `all_calls`: those that last for hours and cost little."""
    spans: Spans = field(default_factory=NoSpans)
    arriving: Admission = field(default_factory=lambda: Admission(256, "arriving calls"))
    """Calls that do not run yet, since their callers still send."""

    @contextlib.asynccontextmanager
    async def call(self, face: str, method: str, identity: Identity, deadline_s: float | None) -> AsyncIterator[Call]:
        """Raises ConchError only, whatever happens inside; `deadline_s` None is the method's own."""
        started = time.monotonic()
        allowed_s = self.deadlines.of(method) if deadline_s is None else deadline_s
        tenant = identity.tenant if is_plain(identity.tenant) else "?"
        span = self._span(face, method, tenant, identity)
        identity = replace(identity, traceparent=span.traceparent)
        place = Place(self._admissions(method), [self.arriving], lambda what: self.metrics.refused(what, tenant))
        call = Call(identity, started + allowed_s, place)
        outcome = "ok"
        self.metrics.started()
        try:
            check_tenant(identity)
            with place.among_the_running():
                async with asyncio.timeout(allowed_s):
                    yield call
        except TimeoutError:
            outcome = DeadlineExceeded.__name__
            raise DeadlineExceeded(
                f"the call took {time.monotonic() - started:.2f} s, it had {allowed_s:.2f} s"
            ) from None
        except asyncio.CancelledError:
            # A caller's deadline may reach us as its cancellation a moment before our own clock says so.
            outcome = (Cancelled if call.remaining_s > 0 else DeadlineExceeded).__name__
            raise
        except ConchError as error:
            outcome = kind_of(error).__name__
            raise
        except Exception:
            outcome = Internal.__name__
            logger.exception("a bug in %s, request %s, trace %s", method, identity.request_id, identity.trace_id)
            raise Internal("internal error") from None
        finally:
            seconds = time.monotonic() - started
            self.metrics.finished(face, method, tenant, outcome, seconds)
            span.end("" if outcome == "ok" else outcome)
            logger.info(
                "call face=%s method=%s request_id=%s trace_id=%s tenant=%s outcome=%s seconds=%.3f",
                face,
                method,
                identity.request_id,
                identity.trace_id,
                tenant,
                outcome,
                seconds,
            )

    def _span(self, face: str, method: str, tenant: str, identity: Identity) -> Span:
        attributes = {"conch.face": face, "conch.tenant": tenant, "conch.request_id": identity.request_id}
        return self.spans.start(method, identity.traceparent, kind="server", attributes=attributes)

    def _admissions(self, method: str) -> list[Admission]:
        if method in self.apart:
            return [self.apart[method]]
        return [self.all_calls, self.calls[method]] if method in self.calls else [self.all_calls]
