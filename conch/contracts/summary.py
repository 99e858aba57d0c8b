"""What is told of a ranked list beside its items: one JSON object, BYTES[1], from step to step and to the caller.

Fields that nobody knows are passed over, so that a newer step does not stop an older one.
"""

from typing import Annotated, Self

import msgspec
from msgspec import Meta

from conch.contracts.errors import InvalidRequest

Count = Annotated[int, Meta(ge=0, lt=2**32)]


class Standing(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where among the candidates stands what `explain` asks for, or why it is none of them."""

    state: str
    """candidate, unknown, excluded, looked_at, bought, seen or not_a_candidate."""
    master: Count | None = None
    """Dense id; None: unknown."""
    rank: Count | None = None
    """Of a candidate, from 1."""
    score: float | None = None
    """Of a candidate."""
    lowest_score: float | None = None
    """Of the last candidate, for one that is none."""

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()


class Summary(msgspec.Struct, frozen=True):
    recommendation_id: str = ""
    """Empty where no candidates were looked for."""
    widget: str = ""
    """Of the scenarios; empty: the first."""
    variant: str = ""
    """Of the experiment; empty: its control."""
    segment: str = ""
    """What the user is to the experiment (segments.py); empty: it has no segments."""
    fallback: str = ""
    """Why the list is not personal; empty where it is."""
    degraded: tuple[str, ...] = ()
    """What was down, and who answered in its place; sorted."""
    dropped: dict[str, Count] = {}
    """Masters that did not go out, by provenance.DROPPED; those above 0."""
    explanation: Standing | None = None
    """None unless `explain` was given."""

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str | bytes) -> Self:
        """Raises InvalidRequest: whoever wrote it is to blame."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise InvalidRequest(f"summary is not as its contract says: {error}") from None
