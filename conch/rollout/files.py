"""Which files a version may hold: plain ones, that stay in its folder and run no code when they are read."""

import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np

from conch.rollout.archives import check_archive
from conch.rollout.manifest import files_of
from conch.rollout.pickles import HEAD_BYTES, looks_pickled
from conch.rollout.refusals import RefusedVersion

ENTRY_POINT = "model.py"

PICKLE_NAMES = frozenset({".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill"})
_PYTHON = ".py"
_CODE = frozenset({".py", ".pyc", ".pyo", ".pyd", ".so"})

MayBeCode = Callable[[str], bool]
"""Of a file's path in the version."""


def ours_alone(path: str) -> bool:
    return path == ENTRY_POINT


def signed(path: str) -> bool:
    """Somebody vouches for the version: source, which he can have read, and nothing compiled."""
    return Path(path).suffix == _PYTHON


def check_files(folder: Path, may_be_code: MayBeCode = ours_alone) -> None:
    """Raises RefusedVersion for the first file that must not be there; reads no more of each than its head."""
    if folder.is_symlink() or not folder.is_dir():
        raise RefusedVersion(f"{folder.name} is not a folder")
    for path in files_of(folder):
        name = path.relative_to(folder).as_posix()
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise RefusedVersion(f"{name} is a symbolic link to {path.readlink()}: a version holds its files itself")
        if not stat.S_ISREG(mode):
            raise RefusedVersion(f"{name} is no plain file")
        if path.suffix.lower() in PICKLE_NAMES:
            raise RefusedVersion(f"{name} holds pickles, which run code when they are read; use ONNX or safetensors")
        if path.suffix in _CODE and not may_be_code(name):
            raise RefusedVersion(f"{name} is code: a version is data, and the class that serves it is ours")
        _check_content(path, name)


def _check_content(path: Path, name: str) -> None:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if looks_pickled(head):
        raise RefusedVersion(f"{name} begins as a pickle, which runs code when it is read")
    if head.startswith(b"\x93NUMPY") and _holds_objects(path):
        raise RefusedVersion(f"{name} is an array of objects, which is a pickle")
    check_archive(path, name, head, PICKLE_NAMES)


def _holds_objects(path: Path) -> bool:
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:
        return True
    return False
