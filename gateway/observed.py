"""Watch every call to a model: how long it took, and when each model last answered."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace

from conch.clients.inference import DEFAULT_CALL, Arrays, CallOptions, IndexedModel, Inference
from conch.clients.metadata import ModelMetadata
from conch.contracts.errors import Cancelled, ConchError, DeadlineExceeded, Internal, Unavailable
from conch.contracts.refusals import kind_of
from conch.contracts.specs import MODELS
from conch.tracing import NoSpans, Span, Spans

Timed = Callable[[str, str, float], None]
"""Told the model, the tenant and the seconds of one call that succeeded."""

NO_SPANS = NoSpans()


class ObservedInference(Inference):
    def __init__(
        self,
        inference: Inference,
        timed: Timed,
        clock: Callable[[], float] = time.monotonic,
        spans: Spans = NO_SPANS,
    ) -> None:
        self._inference = inference
        self._timed = timed
        self._clock = clock
        self._spans = spans
        self._known = set(MODELS)
        self._answered_at: dict[tuple[str, str], float] = {}

    def answered_ago_s(self, model: str, version: str = "") -> float | None:
        """None: it has not answered a call that said the same of its version, or has failed at one since."""
        at = self._answered_at.get((model, version))
        return None if at is None else self._clock() - at

    async def infer(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> Arrays:
        with self._asking(model, call) as asking:
            return await self._inference.infer(model, inputs, outputs=outputs, call=asking)

    async def stream(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> AsyncIterator[Arrays]:
        with self._asking(model, call) as asking:
            answers = self._inference.stream(model, inputs, outputs=outputs, call=asking)
            try:
                async for answer in answers:
                    self._answered_at[model, call.version] = self._clock()
                    yield answer
            finally:
                await answers.aclose()  # type: ignore[attr-defined]

    async def ready(self, model: str, version: str = "") -> bool:
        return await self._inference.ready(model, version)

    async def index(self) -> Sequence[IndexedModel]:
        return await self._inference.index()

    async def metadata(self, model: str, version: str = "") -> ModelMetadata:
        return await self._inference.metadata(model, version)

    @contextlib.contextmanager
    def _asking(self, model: str, call: CallOptions) -> Iterator[CallOptions]:
        """The call as the model is asked: on behalf of a span of its own."""
        started = self._clock()
        span = self._span(model, call)
        error = Cancelled.__name__  # of whatever ends this without an answer or an error of ours
        try:
            yield replace(call, traceparent=span.traceparent)
            error = ""
        except ConchError as failure:
            error = kind_of(failure).__name__
            if isinstance(failure, Unavailable | DeadlineExceeded | Internal):
                self._answered_at.pop((model, call.version), None)
            raise
        finally:
            span.end(error)
        self._known.add(model)
        now = self._clock()
        self._answered_at[model, call.version] = now
        self._timed(model, call.tenant, now - started)

    def _span(self, model: str, call: CallOptions) -> Span:
        if not call.traceparent:  # a probe, on nobody's behalf
            return NO_SPANS.start(model, "")
        # Until a model has answered, its name may be anything that a caller wrote.
        name = model if model in self._known else "?"
        attributes = {"conch.model": name, "conch.tenant": call.tenant, "conch.request_id": call.request_id}
        return self._spans.start(f"infer {name}", call.traceparent, kind="client", attributes=attributes)
