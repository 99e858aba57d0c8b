"""Names of models and numbers of versions: what a folder may be called before anything is done with it."""

import re

from conch.contracts.errors import InvalidRequest

LATEST = 2**31 - 1
"""The greatest number; Triton reads versions as numbers."""

CANDIDATE = "--candidate-"
"""Between a model's name and a version: under that name a version is tried out."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")


def model_name(text: str) -> str:
    if not _NAME.fullmatch(text) or CANDIDATE in text:
        raise InvalidRequest(f"{text!r} is no name of a model: small letters, digits, _ and -, at most 100")
    return text


def version_number(text: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > LATEST:
        raise InvalidRequest(f"{text!r} is no version: a whole number from 1 to {LATEST} without leading zeros")
    return int(text)


def candidate_name(model: str, version: int) -> str:
    """Each has its own: a load that never returned holds its name until the server is started again."""
    return f"{model}{CANDIDATE}{version}"


def is_candidate(name: str) -> bool:
    return CANDIDATE in name


def version_folders(names: list[str]) -> list[int]:
    """Those of `names` that are versions, sorted."""
    return sorted(int(name) for name in names if _NUMBER.fullmatch(name) and int(name) <= LATEST)
