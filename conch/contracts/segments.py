"""What a user is to an experiment: new or returning, as of the first exposure to it, and from then on.

Until then it is told by what is known of the user when a list is made; it goes out with the list and comes back with
the tracked impression. The first of these counts, by its own time. The event log has it, and the hot store under
`user:segment:{user}` (contracts/keys.py), where serving finds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from conch.contracts.errors import InvalidRequest
from conch.contracts.features import Columns, Family, Packed, Stamp, Unreadable, pack, unpack

NEW, RETURNING = SEGMENTS = "new", "returning"

UNKNOWN = "unknown"
"""While nobody can look: the list is the control's, and seeing it is no exposure."""

MOST_BYTES = 64
"""Of a segment's and an experiment's name, in UTF-8."""


def segment_of(views: int, liked: int, bought: int) -> str:
    """By how many views, liked categories and purchases are known."""
    return RETURNING if views or liked or bought else NEW


@dataclass(frozen=True, slots=True)
class Exposure:
    """A user's first to an experiment."""

    segment: str
    """One of SEGMENTS, or whatever another program has written."""
    experiment: str
    time_ms: int
    """Epoch."""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Self:
        """Of the documented hash. Raises InvalidRequest."""
        for name in ("segment", "experiment"):
            if not 1 <= len(fields.get(name, "").encode()) <= MOST_BYTES:
                raise InvalidRequest(f"{name} is {fields.get(name, '')[:80]!r}, it has 1 to {MOST_BYTES} bytes")
        time = fields.get("time", "")
        if not (time.isascii() and time.isdigit() and 0 < int(time) < 2**63):
            raise InvalidRequest(f"time is {time[:40]!r}, it is epoch milliseconds")
        return cls(fields["segment"], fields["experiment"], int(time))

    @property
    def fields(self) -> Mapping[str, str]:
        return {"segment": self.segment, "experiment": self.experiment, "time": str(self.time_ms)}

    @property
    def columns(self) -> Columns:
        """As they are packed."""
        return {
            "segments": np.array([self.segment.encode()], f"S{MOST_BYTES}"),
            "experiments": np.array([self.experiment.encode()], f"S{MOST_BYTES}"),
            "times": np.array([self.time_ms], np.int64),
        }

    def encode(self, epoch: int = 0) -> bytes:
        """Packed; of no generation, because no ids are in it. An earlier exposure has the higher stamp: of two that
        are told at once the same one stands, whichever is written first. Another experiment's has a higher `epoch`."""
        return pack(Packed(Family.EXPOSURE, self.columns, 0, Stamp(epoch, -self.time_ms)))

    @classmethod
    def decode(cls, blob: bytes) -> Self:
        """Raises Unreadable."""
        packed = unpack(blob, Family.EXPOSURE)
        if packed.rows != 1:
            raise Unreadable(f"a packed exposure has {packed.rows} rows, not 1")
        segment, experiment, time_ms = (
            packed.columns[name].tolist()[0] for name in ("segments", "experiments", "times")
        )
        return cls(segment.decode(errors="replace"), experiment.decode(errors="replace"), time_ms)


def first(standing: Exposure | None, told: Exposure) -> Exposure:
    """The one of two that counts: the earlier, whichever came first; and of two experiments the one that runs, which
    is whose exposures are told."""
    if standing is None or standing.experiment != told.experiment or told.time_ms < standing.time_ms:
        return told
    return standing
