"""Writes that a crash of the machine leaves whole: what was there before, or what was written."""

import json
import os
import shutil
from pathlib import Path
from typing import Any


def write_json(path: Path, document: Any) -> None:
    write_text(path, json.dumps(document, indent=1, sort_keys=True) + "\n")


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_tree(folder: Path) -> None:
    """Every file and folder of it; symbolic links must have been refused before."""
    for path in folder.rglob("*"):
        if path.is_file():
            _sync(path)
        elif path.is_dir():
            sync_folder(path)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    _sync(folder)


def move_folder(source: Path, target: Path) -> None:
    """In one file system; `target` must not be there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)
    sync_folder(target.parent)
    sync_folder(source.parent)


def remove_folder(folder: Path, by_way_of: Path) -> None:
    """Out of sight at once, then gone: half of a folder never stands under its name.

    `by_way_of` is a folder in the same file system that nobody reads.
    """
    if not folder.exists():
        return
    doomed = by_way_of / f"doomed-{folder.parent.name}-{folder.name}"
    shutil.rmtree(doomed, ignore_errors=True)
    by_way_of.mkdir(parents=True, exist_ok=True)
    folder.rename(doomed)
    sync_folder(folder.parent)
    shutil.rmtree(doomed, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
