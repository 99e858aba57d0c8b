"""Errors that say whose fault it is, and what to do.

    ConchError
    ├── InvalidRequest      the caller's: mend the request
    ├── NotFound            the caller's: no such model, version, language
    ├── Unauthenticated     the caller's: say who you are
    ├── PermissionDenied    the caller's: ask the operator
    ├── TooMuch             the caller's: send less, or wait retry_after_s
    ├── Cancelled           the caller's: it went away before we answered
    ├── Unavailable         ours, for now: try again
    ├── DeadlineExceeded    time ran out: try again with more of it
    └── Internal            ours: a bug; details stay in our log

Every face (gRPC, HTTP, Triton) says these by the one table in contracts/refusals.py.
"""

from typing import ClassVar, Self


class ConchError(Exception):
    """A failure whose message may be shown to the caller."""

    code: ClassVar[str] = ""
    """A word for programs, of a subclass that is narrower than its row in the table; empty: the row's."""

    field: str | None = None
    """The one field of the request that is to blame, where one is."""

    request_id: str = ""
    """Of the call that failed, as clients know it: what to look for in the servers' logs."""

    def about(self, field: str) -> Self:
        self.field = field
        return self

    @property
    def message(self) -> str:
        return str(self.args[0]) if self.args else type(self).__name__


class InvalidRequest(ConchError):
    """The request contradicts itself or its contract; sending it again will not help."""


class NotFound(ConchError):
    """The named thing does not exist here."""


class Unauthenticated(ConchError):
    """No identity, or one that does not hold."""


class PermissionDenied(ConchError):
    """The identity holds, and may not do this."""


class TooMuch(ConchError):
    """Over a limit: of size for good, or of rate until `retry_after_s` has passed."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Seconds; None when waiting does not help, as with a request that is too large."""


class Cancelled(ConchError):
    """The caller gave up before the answer was ready."""


class Unavailable(ConchError):
    """A server we need is away; the same request may succeed later."""


class DeadlineExceeded(ConchError):
    """The caller's time, or ours, ran out."""


class Internal(ConchError):
    """A bug of ours. The message carries no details; the log does."""
