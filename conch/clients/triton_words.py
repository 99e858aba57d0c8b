"""What Triton's errors mean: their words tell apart what their codes do not (measured with 2.51)."""

import re

import grpc

from conch.clients.inference import ModelNotFound
from conch.clients.status import CODES
from conch.contracts.errors import ConchError, DeadlineExceeded, TooMuch, Unavailable
from conch.contracts.retry_after import without_retry_after

QUEUE_FULL_RETRY_S = 1.0

_BY_WORDS: tuple[tuple[str, type[ConchError]], ...] = (
    ("unknown model", ModelNotFound),
    ("is not at ready state", ModelNotFound),
    ("has no available versions", ModelNotFound),
    ("Request timeout expired", DeadlineExceeded),
    ("maximum queue size", TooMuch),
    ("Stub process", Unavailable),
)

# A stream's errors have no code. The header `triton_grpc_error` asks for one: that can end the server (SIGSEGV, 2.51).
_CONTRACT_BROKEN = ("unexpected shape", "inference input", "inputs but got", "inference output", "batch-size")
_ADAPTERS = re.compile(r"model \S+: (\w+): ")


def error_in(text: str) -> ConchError | None:
    """None where the code has to tell."""
    told = without_retry_after(text)
    if told.retry_after_s is not None:
        return TooMuch(told.message, told.retry_after_s)
    for fragment, kind in _BY_WORDS:
        if fragment in text:
            return TooMuch(text, QUEUE_FULL_RETRY_S) if kind is TooMuch else kind(text)
    return None


def coded(message: str) -> tuple[grpc.StatusCode, str]:
    """The code that a stream's error would have, and its words without it.

    Our adapter writes the error's class into the message; Triton's own refusals are told by their words.
    """
    said = _ADAPTERS.match(message)
    kind = next((kind for kind in CODES if said and kind.__name__ == said[1]), None)
    if said is not None and kind is not None:
        return CODES[kind], message.replace(f"{said[1]}: ", "", 1)
    broken = any(fragment in message for fragment in _CONTRACT_BROKEN)
    return grpc.StatusCode.INVALID_ARGUMENT if broken else grpc.StatusCode.UNKNOWN, message


def without_request_id(message: str) -> str:
    """Triton puts "[request id: ...] " before its own words."""
    return message.split("] ", 1)[1] if message.startswith("[request id: ") and "] " in message else message
