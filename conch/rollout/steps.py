"""Where whoever changes what is served may be ended: after each of its steps, which it tells."""

from collections.abc import Callable

Reached = Callable[[str], None]
"""Told each step that has been taken: tests stop there, as a crash would."""


def unheard(step: str) -> None:
    """Nobody listens."""
