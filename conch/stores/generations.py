"""Folders that are written beside what is read and taken up whole: one pointer says which is current.

    {folder}/current              the number of a generation, replaced by an atomic rename
    {folder}/generation-{n}/      its files; never changed after it was pointed to

One writer at a time: who holds the lease of the catalogue.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conch.contracts.errors import Internal
from conch.durable import sync_tree, write_text

KEPT = 2
"""The generation before is kept: a reader that has just read the pointer still opens it."""

_POINTER = "current"


def current(folder: Path) -> int:
    """0: nothing was published yet."""
    try:
        text = (folder / _POINTER).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return 0
    if not text.strip().isdigit():
        raise Internal(f"{_POINTER} in {folder.name} is {text[:40]!r}, not the number of a generation")
    return int(text)


def has_any(folder: Path) -> bool:
    """Whether something was published; true also where it cannot be told what."""
    return (folder / _POINTER).exists()


def folder_of(folder: Path, generation: int) -> Path:
    return folder / f"generation-{generation}"


def mapped(path: Path) -> npt.NDArray[Any]:
    """A file of a generation, mapped. Raises Internal for a damaged one, FileNotFoundError where there is none."""
    try:
        return np.load(path, mmap_mode="r")  # type: ignore[no-any-return] # numpy's own type is Any
    except (ValueError, EOFError) as error:
        raise Internal(f"{path.parent.name}/{path.name} of {path.stat().st_size} bytes: {error}") from error


def publish(folder: Path, generation: int, write: Callable[[Path], None]) -> None:
    """`write` fills a folder; what a crash leaves half-written is never pointed to and goes with the next one."""
    if generation <= current(folder):
        raise Internal(f"generation {generation} is not newer than {current(folder)}, which is published")
    target, staged = folder_of(folder, generation), folder / f".generation-{generation}"
    for left in (staged, target):
        shutil.rmtree(left, ignore_errors=True)
    staged.mkdir(parents=True)
    write(staged)
    sync_tree(staged)
    staged.rename(target)
    write_text(folder / _POINTER, f"{generation}\n")
    for path in folder.glob("generation-*"):
        number = path.name.removeprefix("generation-")
        if number.isdigit() and int(number) <= generation - KEPT:
            shutil.rmtree(path, ignore_errors=True)
