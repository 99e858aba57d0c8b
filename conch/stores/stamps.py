"""Of two packed features, which is newer: read from their headers alone."""

from conch.contracts.features import Unreadable, stamp_of


def is_newer(standing: bytes | None, coming: bytes) -> bool:
    """Whether what stands there must stay. What cannot be read never must."""
    if standing is None:
        return False
    try:
        return stamp_of(standing) > stamp_of(coming)
    except Unreadable:
        return False
