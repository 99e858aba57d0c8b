"""Our errors as gRPC status codes and back: the one table that both ends of every gRPC call share."""

import grpc

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

CODES: dict[type[ConchError], grpc.StatusCode] = {
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    TooMuch: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Cancelled: grpc.StatusCode.CANCELLED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    DeadlineExceeded: grpc.StatusCode.DEADLINE_EXCEEDED,
    Internal: grpc.StatusCode.INTERNAL,
}

_CLASSES: dict[grpc.StatusCode, type[ConchError]] = {
    **{code: error for error, code in CODES.items()},
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidRequest,
    grpc.StatusCode.ALREADY_EXISTS: InvalidRequest,
    grpc.StatusCode.ABORTED: Unavailable,
}

RETRY_AFTER_KEY = "retry-after"
"""Trailing metadata beside RESOURCE_EXHAUSTED: seconds after which it is worth trying again."""


def code_of(error: ConchError) -> grpc.StatusCode:
    """That of the nearest ancestor in the table."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), grpc.StatusCode.INTERNAL)


def error_of(code: grpc.StatusCode, message: str, retry_after_s: float | None = None) -> ConchError:
    """A code that nobody is meant to send (UNKNOWN, DATA_LOSS, UNIMPLEMENTED) is a bug of ours."""
    kind = _CLASSES.get(code, Internal)
    return TooMuch(message, retry_after_s) if kind is TooMuch else kind(message)
