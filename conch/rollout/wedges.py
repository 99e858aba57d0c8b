"""Loads that do not end: first the process that one waits for is ended, and where that does not help, the server is.

A version whose code blocks waits for its stub. One without model.py waits for nothing that could be ended.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from conch.rollout.versions import is_candidate

HEALING_S = 40.0
"""A model of the stack may be loading for so long because it is being healed."""
LEFT_OVER_S = 2.0
"""A candidate loads for nobody while nobody publishes."""
ENDING_S = 5.0
"""Triton asks about once a second whether a stub still lives."""


@dataclass(slots=True)
class Load:
    since: float
    stubs_ended_at: float | None = None
    given_up: bool = False


@dataclass(slots=True)
class Wedges:
    """Of one server."""

    clock: Callable[[], float]
    loads: dict[str, Load] = field(default_factory=dict)

    def see(self, loading: Sequence[str]) -> None:
        self.loads = {model: self.loads.get(model, Load(self.clock())) for model in loading}

    def forget(self) -> None:
        """The server has been started again."""
        self.loads.clear()

    def to_end(self) -> Sequence[str]:
        """Models whose stubs should end; told once, `ended` follows."""
        now = self.clock()
        return [
            model
            for model, load in self.loads.items()
            if load.stubs_ended_at is None and now - load.since >= (LEFT_OVER_S if is_candidate(model) else HEALING_S)
        ]

    def ended(self, model: str) -> None:
        self.loads[model].stubs_ended_at = self.clock()

    def hopeless(self) -> Sequence[str]:
        """Those that went on without their stubs, and that nobody has given up yet."""
        now = self.clock()
        return [
            model
            for model, load in self.loads.items()
            if load.stubs_ended_at is not None and now - load.stubs_ended_at >= ENDING_S and not load.given_up
        ]

    def give_up(self, model: str) -> None:
        self.loads[model].given_up = True
