"""What each error is called on every face: the one table. Every face renders its row, and none has codes of its own.

Names where a face's library has numbers or classes of its own: contracts import nothing.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Refusal:
    grpc: str
    """Name in grpc.StatusCode."""
    triton: str
    """Name in pb_utils.TritonError, which has fewer: clients retry its UNAVAILABLE and not its INVALID_ARG."""
    http: int
    openai_type: str
    openai_code: str
    """Unless the error itself has a narrower one."""
    title: str


_CALLER = "invalid_request_error"

TABLE: dict[type[ConchError], Refusal] = {
    InvalidRequest: Refusal(
        "INVALID_ARGUMENT", "INVALID_ARG", 400, _CALLER, "invalid_request", "The request is invalid"
    ),
    NotFound: Refusal("NOT_FOUND", "NOT_FOUND", 404, _CALLER, "not_found", "There is no such thing"),
    Unauthenticated: Refusal(
        "UNAUTHENTICATED", "INVALID_ARG", 401, "authentication_error", "invalid_api_key", "Say who you are"
    ),
    PermissionDenied: Refusal(
        "PERMISSION_DENIED", "INVALID_ARG", 403, "permission_error", "permission_denied", "You may not do this"
    ),
    TooMuch: Refusal("RESOURCE_EXHAUSTED", "INVALID_ARG", 413, _CALLER, "request_too_large", "That is too much"),
    # No standard status says that the caller left; this is the one that proxies log.
    Cancelled: Refusal("CANCELLED", "CANCELLED", 499, _CALLER, "cancelled", "The caller went away"),
    Unavailable: Refusal("UNAVAILABLE", "UNAVAILABLE", 503, "server_error", "unavailable", "A server we need is away"),
    DeadlineExceeded: Refusal(
        "DEADLINE_EXCEEDED", "UNAVAILABLE", 504, "server_error", "deadline_exceeded", "Time ran out"
    ),
    Internal: Refusal("INTERNAL", "INTERNAL", 500, "server_error", "internal_error", "Internal error"),
}
"""By the class that contracts/errors.py names; a subclass has its base's row."""

TOO_MUCH_FOR_NOW = Refusal(
    "RESOURCE_EXHAUSTED", "UNAVAILABLE", 429, "rate_limit_error", "rate_limit_exceeded", "That is too much"
)
"""Of a TooMuch that waiting helps: one that has a `retry_after_s`."""


def kind_of(error: ConchError) -> type[ConchError]:
    """The class of contracts/errors.py that the error is, or is a kind of."""
    return next((kind for kind in type(error).__mro__ if kind in TABLE), Internal)


def refusal_of(error: ConchError) -> Refusal:
    if isinstance(error, TooMuch) and error.retry_after_s is not None:
        return TOO_MUCH_FOR_NOW
    return TABLE[kind_of(error)]
