"""What somebody asks to be published: whether the model is as he believes, and the number it gets."""

from dataclasses import dataclass
from pathlib import Path

from conch.contracts.errors import InvalidRequest
from conch.rollout.record import ModelRecord
from conch.rollout.refusals import Overtaken
from conch.rollout.source import Source


@dataclass(frozen=True, slots=True)
class Publication:
    """What somebody asks to be published."""

    model: str
    path: Path
    note: str = ""
    version: int | None = None
    """None: the number its folder is named for, where that is a new one, else the next."""
    again: bool = False
    """Though the same files have been refused."""
    config: Path | None = None
    """The folder of the config.pbtxt that serves it, where that is not its own."""
    expected_champion: int | None = None
    """Raises Overtaken where another one is."""


def number_of(wanted: Publication, source: Source, record: ModelRecord | None) -> int:
    """Numbers only grow: one that was live never means something else."""
    following = record.next_version if record else 1
    if wanted.version is not None:
        if wanted.version < following:
            raise InvalidRequest(f"version {wanted.version} of model {wanted.model} cannot follow {following - 1}")
        return wanted.version
    return max(following, source.number or following)


def check_expected(model: str, record: ModelRecord | None, expected: int | None) -> None:
    champion = record.champion if record else None
    if expected is not None and champion != expected:
        raise Overtaken(f"the champion of model {model} is {champion or 'none'}, not {expected}")
