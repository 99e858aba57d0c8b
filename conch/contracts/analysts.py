"""How analysts know a shopper: one project of theirs hears of many catalogues, and the same id in two is two people."""

from conch.contracts.keys import DEFAULT_CATALOGUE


def analysts_id(catalogue: str, user: str) -> str:
    """Of a user, or of a session that named none; empty for nobody.

    The default catalogue's ids stay as they are, so that they are those of the caller's own events there. A catalogue's
    name has no colon: no two of them have an id in common.
    """
    if not user or (catalogue == DEFAULT_CATALOGUE and ":" not in user):
        return user
    return f"{catalogue}:{user}"
