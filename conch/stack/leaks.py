"""Whether the memory of a process grows without end: the slope of its resident set by least squares, over a window."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from conch.stack.processes import ProcessMark


@dataclass(frozen=True, slots=True)
class LeakBound:
    window_s: float = 600.0
    """A model that has just been loaded may grow for a while: nothing is said of a younger process."""
    bytes_per_s: float = 128 * 1024
    """More than that in either half of the window is a leak: 75 MiB in ten minutes, and no step that has an end."""


@dataclass(frozen=True, slots=True)
class Sample:
    at_s: float
    rss_bytes: int


@dataclass(slots=True)
class Leaks:
    bound: LeakBound
    _samples: dict[ProcessMark, deque[Sample]] = field(default_factory=dict)

    def see(self, now: float, rss_bytes: Mapping[ProcessMark, int]) -> Mapping[ProcessMark, float]:
        """Those that leak, with bytes a second; whoever is not seen again is forgotten."""
        self._samples = {mark: self._samples.get(mark, deque()) for mark in rss_bytes}
        leaking = {}
        for mark, samples in self._samples.items():
            samples.append(Sample(now, rss_bytes[mark]))
            while len(samples) > 1 and samples[1].at_s <= now - self.bound.window_s:
                samples.popleft()
            if (slope := self._leak(samples)) is not None:
                leaking[mark] = slope
        return leaking

    def _leak(self, samples: Sequence[Sample]) -> float | None:
        first, last = samples[0].at_s, samples[-1].at_s
        if last - first < self.bound.window_s:
            return None
        middle = (first + last) / 2
        halves = [one for one in samples if one.at_s <= middle], [one for one in samples if one.at_s >= middle]
        slopes = [slope(half) for half in halves]
        return min(slopes) if min(slopes) > self.bound.bytes_per_s else None


def slope(samples: Sequence[Sample]) -> float:
    """Bytes a second; 0 where there is too little to tell."""
    if len(samples) < 2:
        return 0.0
    mean_at = sum(one.at_s for one in samples) / len(samples)
    mean_rss = sum(one.rss_bytes for one in samples) / len(samples)
    spread = sum((one.at_s - mean_at) ** 2 for one in samples)
    if not spread:
        return 0.0
    return sum((one.at_s - mean_at) * (one.rss_bytes - mean_rss) for one in samples) / spread
