"""Whether audio comes as fast as its declared rate says.

A microphone paces itself, so a wrong rate shows as audio that comes steadily faster or slower than time passes.
What is legal looks otherwise: after a break a device sends what it kept as fast as it can, until it has caught up; one
with a button or a detector of its own sends in spells. So only a **steady** wrong pace is a lie: wall time is cut into
slots, and the rate is refused when several slots in a row hold equally much audio, and it is not what they should hold.
A slot in which the sender rested, or waited for us, tells nothing of its rate, and counts for nothing.
"""

from collections import deque
from dataclasses import dataclass

from conch.contracts.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Pacing:
    slot_s: float = 5.0
    slots: int = 6
    """In a row, of one pace."""
    tolerance: float = 0.25
    """A pace off by less is a clock that drifts, or a link that stutters. 11,025 declared as 8,000 is 0.38 off."""
    steadiness: float = 0.1
    """Slots of one pace differ from their mean by less."""
    rest_s: float = 1.5
    """Without a chunk: the sender rests."""
    fastest: float = 8.0
    """Times real time: no two rates of speech are so far apart, so it is a burst."""


class Pace:
    def __init__(self, rate: int, how: Pacing, now: float) -> None:
        self._rate = rate
        self._how = how
        self._slot_from = now
        self._heard_at = now
        self._heard_from: int | None = None
        self._untold = False  # the slot tells nothing
        self._paces: deque[float] = deque(maxlen=how.slots)

    def heard(self, now: float, received_to: int, *, held_up: bool) -> None:
        """Of each chunk; `held_up`: we made the sender wait before it. Raises InvalidRequest for a rate that lies."""
        self._untold |= held_up or now - self._heard_at > self._how.rest_s
        self._heard_at = now
        if self._heard_from is None:
            self._slot_from, self._heard_from = now, received_to
            return
        elapsed_s = now - self._slot_from
        if elapsed_s < self._how.slot_s:
            return
        if self._untold:
            self._paces.clear()
        else:
            self._paces.append((received_to - self._heard_from) / self._rate / elapsed_s)
        self._slot_from, self._heard_from, self._untold = now, received_to, False
        self._judge()

    def _judge(self) -> None:
        if len(self._paces) < self._how.slots:
            return
        mean = sum(self._paces) / len(self._paces)
        steady = all(abs(pace - mean) < self._how.steadiness * mean for pace in self._paces)
        if steady and abs(mean - 1) > self._how.tolerance and mean < self._how.fastest:
            raise InvalidRequest(
                f"audio is declared as {self._rate} samples a second and arrives as {round(mean * self._rate)} a "
                f"second, for {self._how.slots * self._how.slot_s:g} s"
            )
