"""Which files a version may hold: plain ones, that stay in its folder and run no code when they are read."""

import stat
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np

from conch.rollout.manifest import files_of
from conch.rollout.refusals import RefusedVersion

ENTRY_POINT = "model.py"

PICKLE_NAMES = frozenset({".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill"})
_PICKLE_STARTS = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_CODE = frozenset({".py", ".pyc", ".pyo", ".pyd", ".so"})


def check_files(folder: Path) -> None:
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
        if path.suffix in _CODE and name != ENTRY_POINT:
            raise RefusedVersion(f"{name} is code: a version is data, and the class that serves it is ours")
        _refuse_pickles(path, name)


def _refuse_pickles(path: Path, name: str) -> None:
    if path.suffix.lower() in PICKLE_NAMES:
        raise RefusedVersion(f"{name} holds pickles, which run code when they are read; use ONNX or safetensors")
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(_PICKLE_STARTS):
        raise RefusedVersion(f"{name} begins as a pickle, which runs code when it is read")
    if head == b"\x93NUMPY" and _holds_objects(path):
        raise RefusedVersion(f"{name} is an array of objects, which is a pickle")
    if head.startswith(b"PK\x03\x04"):
        _check_archive(path, name)


def _holds_objects(path: Path) -> bool:
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError:
        return True
    return False


def _check_archive(path: Path, name: str) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as error:
        raise RefusedVersion(f"{name} begins as an archive and is none: {error}") from error
    for member in members:
        inner = PurePosixPath(member.filename.replace("\\", "/"))
        if inner.is_absolute() or ".." in inner.parts:
            raise RefusedVersion(f"{name} has a member {member.filename!r}, which leaves the folder")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise RefusedVersion(f"{name} has a member {member.filename!r}, which is a symbolic link")
        if inner.suffix.lower() in PICKLE_NAMES:
            raise RefusedVersion(f"{name} has a member {member.filename!r}, which holds pickles")
