"""What many turns come to: words, latencies, decisions, and whether every sample is accounted for."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from bridge.wearables.simulation import Turn
from bridge.wearables.words import WordErrors, word_errors


@dataclass(frozen=True, slots=True)
class Percentiles:
    count: int
    p50_s: float
    p95_s: float
    p99_s: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self | None:
        """None of none."""
        if not values:
            return None
        p50, p95, p99 = np.percentile(np.array(values), (50, 95, 99))
        return cls(len(values), round(float(p50), 3), round(float(p95), 3), round(float(p99), 3))


@dataclass(frozen=True, slots=True)
class Report:
    devices: int
    turns: int
    audio_s: float
    """Of all clips that were said."""
    word_error_rate: float | None
    """None where nobody wrote down what is said, or nothing is."""
    first_partial: Percentiles | None
    """After a clip's first sound."""
    final: Percentiles | None
    """After its last one: with the silence that ends an utterance."""
    unheard: int
    """Clips in which something is said, and of which no text came."""
    decisions: dict[str, int]
    sent: int
    received: int
    gap: int
    dropped: int
    unbalanced: tuple[str, ...]
    """Each device and clip whose samples are not all accounted for."""
    errors: tuple[str, ...]
    """What devices were told of, each once."""

    @classmethod
    def of(cls, turns: Sequence[Turn], devices: int) -> Self:
        words = sum(
            (word_errors(turn.clip.said, " ".join(turn.heard)) for turn in turns if turn.clip.said is not None),
            WordErrors(),
        )
        accounts = [turn.account for turn in turns if turn.account is not None]
        rate = words.rate
        return cls(
            devices,
            len(turns),
            round(math.fsum(turn.clip.recording.seconds for turn in turns), 1),
            None if rate is None else round(rate, 4),
            Percentiles.of([turn.first_partial_s for turn in turns if turn.first_partial_s is not None]),
            Percentiles.of([turn.final_s for turn in turns if turn.final_s is not None]),
            sum(bool(turn.clip.said) and not any(turn.heard) for turn in turns),
            dict(sorted(Counter(decision for turn in turns for decision in turn.decisions).items())),
            sum(turn.sent for turn in turns),
            sum(account.received for account in accounts),
            sum(account.gap for account in accounts),
            sum(account.dropped for account in accounts),
            tuple(_unbalanced(turn) for turn in turns if not turn.balances),
            tuple(sorted({error for turn in turns for error in turn.errors})),
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _unbalanced(turn: Turn) -> str:
    told = (
        "no account came"
        if turn.account is None
        else (
            f"received {turn.account.received} + gap {turn.account.gap} + dropped {turn.account.dropped}"
            f" = {turn.account.told_of}"
        )
    )
    return f"{turn.device}, {turn.clip.name}: sent {turn.sent}, {told}"
