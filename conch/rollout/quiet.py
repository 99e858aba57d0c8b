"""When something that somebody writes has stood still for a while, and whether it was dealt with as it is."""

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass


@dataclass(slots=True)
class Stand:
    signature: Hashable
    since: float
    told: bool = False
    """It was dealt with as it is now."""


class Quiet:
    def __init__(self, quiet_s: float, clock: Callable[[], float]) -> None:
        self._quiet_s = quiet_s
        self._clock = clock
        self._stands: dict[Hashable, Stand] = {}

    def is_due(self, what: Hashable, signature: Hashable) -> bool:
        """It has been seen like that for long enough, and nobody has dealt with it."""
        stand = self._stands.get(what)
        if stand is None or stand.signature != signature:
            self._stands[what] = Stand(signature, self._clock())
            return False
        return not stand.told and self._clock() - stand.since >= self._quiet_s

    def tell(self, what: Hashable) -> None:
        """It was dealt with."""
        self._stands[what].told = True

    def forget(self, what: Hashable) -> None:
        """It is as if nobody had dealt with it, from now on."""
        self._stands.pop(what, None)

    def forget_all_but(self, there: Collection[Hashable]) -> None:
        self._stands = {what: stand for what, stand in self._stands.items() if what in there}
