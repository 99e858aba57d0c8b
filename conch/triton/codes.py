"""Our errors in Triton's words: the one table of this edge.

Names, not numbers: pb_utils gets its classes only after our modules are imported.
"""

from conch.contracts.errors import (
    Cancelled,
    ConchError,
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    TooMuch,
    Unauthenticated,
    Unavailable,
)

CODES: dict[type[ConchError], str] = {
    InvalidRequest: "INVALID_ARG",
    NotFound: "NOT_FOUND",
    # Clients retry UNAVAILABLE and not INVALID_ARG, which is what matters where the python back end has no better word.
    Unauthenticated: "INVALID_ARG",
    PermissionDenied: "INVALID_ARG",
    TooMuch: "UNAVAILABLE",
    DeadlineExceeded: "UNAVAILABLE",
    Cancelled: "CANCELLED",
    Unavailable: "UNAVAILABLE",
    Internal: "INTERNAL",
}
"""By the class that contracts/errors.py names; a subclass has its base's code."""


def code_name(error: ConchError) -> str:
    if isinstance(error, TooMuch) and error.retry_after_s is None:
        return "INVALID_ARG"  # too large for good: a retry would not help
    return CODES[base_class(error)]


def base_class(error: ConchError) -> type[ConchError]:
    """The class of contracts/errors.py that the error is, or is a kind of."""
    return next((kind for kind in type(error).__mro__ if kind in CODES), Internal)
