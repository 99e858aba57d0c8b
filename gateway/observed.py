"""Watch every call to a model: how long it took, and when each model last answered."""

import time
from collections.abc import AsyncIterator, Callable, Sequence

from conch.clients.inference import DEFAULT_CALL, Arrays, CallOptions, IndexedModel, Inference

Timed = Callable[[str, float], None]
"""Told a model's name and the seconds of one call that succeeded."""


class ObservedInference(Inference):
    def __init__(self, inference: Inference, timed: Timed, clock: Callable[[], float] = time.monotonic) -> None:
        self._inference = inference
        self._timed = timed
        self._clock = clock
        self._answered_at: dict[tuple[str, str], float] = {}

    def answered_ago_s(self, model: str, version: str = "") -> float | None:
        """None: it has not answered yet a call that said the same of its version."""
        at = self._answered_at.get((model, version))
        return None if at is None else self._clock() - at

    async def infer(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> Arrays:
        started = self._clock()
        answer = await self._inference.infer(model, inputs, outputs=outputs, call=call)
        self._note(model, call, started)
        return answer

    async def stream(
        self, model: str, inputs: Arrays, *, outputs: Sequence[str] | None = None, call: CallOptions = DEFAULT_CALL
    ) -> AsyncIterator[Arrays]:
        started = self._clock()
        answers = self._inference.stream(model, inputs, outputs=outputs, call=call)
        try:
            async for answer in answers:
                self._answered_at[model, call.version] = self._clock()
                yield answer
        finally:
            await answers.aclose()  # type: ignore[attr-defined]
        self._note(model, call, started)

    async def ready(self, model: str, version: str = "") -> bool:
        return await self._inference.ready(model, version)

    async def index(self) -> Sequence[IndexedModel]:
        return await self._inference.index()

    def _note(self, model: str, call: CallOptions, started: float) -> None:
        now = self._clock()
        self._answered_at[model, call.version] = now
        self._timed(model, now - started)
