"""Why a version does not go live."""

from typing import ClassVar

from conch.contracts.errors import InvalidRequest, Unavailable


class RefusedVersion(InvalidRequest):
    """The version itself is at fault; it is quarantined, and refused until it changes."""

    code: ClassVar[str] = "refused_version"


class Wedged(RefusedVersion):
    """Its load has not ended in time: until its process ends, or the server, nobody can load that model again."""


class Quarantined(InvalidRequest):
    """The same files were refused before."""

    code: ClassVar[str] = "quarantined_version"


class Mismatched(InvalidRequest):
    """The version does not fit another model that is live; when that changes it may."""

    code: ClassVar[str] = "mismatched_version"


class Overtaken(InvalidRequest):
    """The model is not as the caller believes it to be."""

    code: ClassVar[str] = "overtaken"


class Busy(Unavailable):
    """Somebody else publishes or rolls back in this state folder."""

    code: ClassVar[str] = "rollout_busy"


class NotUnderstood(Unavailable):
    """Something is half done, and what says of it what is not what this Conch writes."""

    code: ClassVar[str] = "rollout_not_understood"


class Overthrown(Unavailable):
    """Another has taken over from this publisher or controller, which was held up: it may change nothing more."""

    code: ClassVar[str] = "rollout_overthrown"
