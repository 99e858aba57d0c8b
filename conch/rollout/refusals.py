"""Why a version does not go live."""

from typing import ClassVar

from conch.contracts.errors import InvalidRequest, Unavailable


class RefusedVersion(InvalidRequest):
    """The version itself is at fault; it is quarantined, and refused until it changes."""

    code: ClassVar[str] = "refused_version"


class Quarantined(InvalidRequest):
    """The same files were refused before."""

    code: ClassVar[str] = "quarantined_version"


class Busy(Unavailable):
    """Somebody else publishes or rolls back in this state folder."""

    code: ClassVar[str] = "rollout_busy"
