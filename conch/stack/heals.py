"""How often models had to be healed, and what follows where one has to be again and again.

It may be the server that lets it die: that is started again, once. A model that goes on dying is itself at fault, and
the others are not to pay for it: from then on it rests between its heals.
"""

import math

from conch.stack.failures import Failures, Patience

REST_S = 60.0
TROUBLED_S = 600.0
"""Without trouble for so long, a model is well again, and its next trouble may be the server's."""


class Heals:
    """Of all models, across starts of their server. Time is the caller's."""

    def __init__(self, patience: Patience = Patience()) -> None:  # noqa: B008 - frozen
        self._patience = patience
        self._failures: dict[str, Failures] = {}
        self._healed_at: dict[str, float] = {}
        self._troubled_at: dict[str, float] = {}
        self._rests_until: dict[str, float] = {}

    def begin(self, model: str, now: float) -> float | None:
        """Seconds to wait before its load; None: the server is to be started again instead."""
        failures = self._failures.setdefault(model, Failures(self._patience))
        delay_s = failures.count(now - self._healed_at.get(model, now))
        if delay_s is not None:
            return delay_s
        del self._failures[model]
        calm_s = now - self._troubled_at.get(model, -math.inf)
        self._troubled_at[model] = now
        if calm_s >= TROUBLED_S:
            return None
        self._rests_until[model] = now + REST_S
        return 0.0

    def end(self, model: str, now: float) -> None:
        self._healed_at[model] = now

    def rests(self, model: str, now: float) -> bool:
        return now < self._rests_until.get(model, -math.inf)

    @property
    def most(self) -> int:
        """In a row."""
        return self._patience.failures
