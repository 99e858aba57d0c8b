"""When to start a failed service again, and when to give up."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Patience:
    """With what a supervisor treats a service that fails."""

    failures: int = 5
    """In a row: the last of them ends the stack."""
    delays_s: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0)
    """Before each start after a failure: the first at once, for one failure is an accident."""
    steady_s: float = 5.0
    """Ready for so long, a service is well again, and its failures are forgotten."""
    strikes: int = 3
    """Uncertain signs of sickness in a row that count as sickness."""
    ask_every_s: float = 0.05
    """While it starts."""


@dataclass(slots=True)
class Failures:
    """Counts one service's failures in a row. Time is the caller's."""

    patience: Patience
    in_a_row: int = field(default=0, init=False)

    def count(self, ready_for_s: float) -> float | None:
        """Seconds to wait before the next start; None when it was one failure too many."""
        self.in_a_row = 1 if ready_for_s >= self.patience.steady_s else self.in_a_row + 1
        if self.in_a_row >= self.patience.failures:
            return None
        return self.patience.delays_s[min(self.in_a_row, len(self.patience.delays_s)) - 1]
