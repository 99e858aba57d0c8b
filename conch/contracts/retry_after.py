"""How long to wait, said in an error's own words: Triton's errors have a code and a text, and room for nothing else.

The edge reads the same words, to make a header of them: deploy/envoy/quota.lua.
"""

import re
from dataclasses import dataclass

from conch.contracts.errors import ConchError, TooMuch

_WORDS = re.compile(r"(?s)(.*); retry after (\d+) s")


@dataclass(frozen=True, slots=True)
class Told:
    message: str
    retry_after_s: float | None


def with_retry_after(error: ConchError) -> str:
    """Whole seconds, rounded up: nobody is told to come too early."""
    if isinstance(error, TooMuch) and error.retry_after_s is not None:
        return f"{error.message}; retry after {-int(-error.retry_after_s // 1)} s"
    return error.message


def without_retry_after(text: str) -> Told:
    match = _WORDS.fullmatch(text)
    return Told(match[1], float(match[2])) if match is not None else Told(text, None)
