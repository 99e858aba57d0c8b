"""A story that is told again and again: whole at first, then cut off after each of its steps, and taken up anew."""

from collections.abc import Callable
from dataclasses import dataclass, field


class Crash(BaseException):
    """What nothing catches: as if the process had ended there."""


@dataclass
class CrashPoints:
    """`reached` is told the steps of one telling; `die_at` is which of them is the last of a process."""

    look: Callable[[], None]
    """At every step: what has to be true all the time."""
    die_at: int | None = None
    steps: list[str] = field(default_factory=list)

    def reached(self, step: str) -> None:
        self.steps.append(step)
        self.look()
        if len(self.steps) - 1 == self.die_at:
            raise Crash
