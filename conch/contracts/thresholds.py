"""What the gate asks of a command before it is acted on; a tenant may have thresholds of its own.

They travel from the tenants file to whoever decides as one header, "execute=0.9,dial_logprob=-0.4": those that are not
the defaults.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from conch.contracts.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Bounds are inclusive: what is equal to one has reached it. The defaults are measured: docs/voice.md."""

    execute: float = 0.85
    """Calibrated intent confidence from which a command is acted on."""
    confirm: float = 0.80
    """From here to `execute` we ask back; below, the text goes to the assistant."""
    heard_logprob: float = -1.0
    """Mean log-probability of the recogniser's tokens from which a text was heard at all; below, it is ignored."""
    summon_logprob: float = -0.6
    """From here a team is summoned without asking back."""
    dial_logprob: float = -0.5
    """From here somebody is called without asking back."""
    yes_logprob: float = -0.8
    """From here a yes to a question of ours counts; it has a word or two, which are never as sure as a sentence."""
    most_no_speech: float = 0.3
    """The recogniser's probability that nobody spoke, up to which a command is acted on without asking back."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least, most = (-10.0, 0.0) if name.endswith("logprob") else (0.0, 1.0)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
                raise InvalidRequest(f"{name} is {value!r}, not a number from {least:g} to {most:g}")
        for less, more in (("confirm", "execute"), *(("heard_logprob", name) for name in _ACTING)):
            if getattr(self, less) > getattr(self, more):
                raise InvalidRequest(
                    f"{less} is {getattr(self, less):g}, above {more}, which is {getattr(self, more):g}"
                )

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Self:
        """Raises InvalidRequest for a name that is none, and for numbers that cannot be meant."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(table.keys() - known):
            raise InvalidRequest(f"there is no {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        return cls(**table)

    def encode(self) -> str:
        """Empty where all are the defaults."""
        defaults = asdict(Thresholds())
        return ",".join(f"{name}={value!r}" for name, value in asdict(self).items() if value != defaults[name])

    @classmethod
    def decode(cls, text: str) -> Self:
        """Whoever writes anything else than `encode` does gets thresholds by which every command is asked back."""
        try:
            pairs = [pair.split("=") for pair in text.split(",") if pair]
            return cls.of({name: float(value) for name, value in pairs})
        except (ValueError, InvalidRequest):
            return cls(execute=1.0, confirm=0.0, summon_logprob=0.0, dial_logprob=0.0, yes_logprob=0.0)


_ACTING = ("summon_logprob", "dial_logprob", "yes_logprob")

DEFAULT_THRESHOLDS = Thresholds()
