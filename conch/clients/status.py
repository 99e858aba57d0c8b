"""Our errors as gRPC status codes and back, by the table of contracts/refusals.py: for both ends of every gRPC call."""

import grpc

from conch.contracts.errors import ConchError, Internal, InvalidRequest, TooMuch, Unavailable
from conch.contracts.refusals import TABLE, refusal_of

CODES: dict[type[ConchError], grpc.StatusCode] = {
    kind: grpc.StatusCode[refusal.grpc] for kind, refusal in TABLE.items()
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
    return grpc.StatusCode[refusal_of(error).grpc]


def error_of(code: grpc.StatusCode, message: str, retry_after_s: float | None = None) -> ConchError:
    """A code that nobody is meant to send (UNKNOWN, DATA_LOSS, UNIMPLEMENTED) is a bug of ours."""
    kind = _CLASSES.get(code, Internal)
    return TooMuch(message, retry_after_s) if kind is TooMuch else kind(message)
