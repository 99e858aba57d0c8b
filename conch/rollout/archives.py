"""Zip and tar files of a version: no member leaves the folder it is unpacked in, is a link, or holds a pickle."""

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from conch.rollout.pickles import HEAD_BYTES, looks_pickled
from conch.rollout.refusals import RefusedVersion

MOST_MEMBERS = 10_000
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OBJECTS = b"'descr': '|O'"
"""In the head of an array of NumPy's."""


def check_archive(path: Path, name: str, head: bytes, pickle_names: Collection[str]) -> None:
    """Raises RefusedVersion; what is no archive is none of ours. Unpacks no more of a member than its head."""
    if head.startswith(_ZIP):
        members = _in_zip(path, name)
    elif tarfile.is_tarfile(path):
        members = _in_tar(path, name)
    else:
        return
    for count, (member, opened) in enumerate(members, 1):
        if count > MOST_MEMBERS:
            raise RefusedVersion(f"{name} has more than {MOST_MEMBERS} members")
        _check_member(name, member, opened, pickle_names)


def _check_member(name: str, member: str, opened: IO[bytes] | None, pickle_names: Collection[str]) -> None:
    inner = PurePosixPath(member.replace("\\", "/"))
    if inner.is_absolute() or ".." in inner.parts or (inner.parts[:1] and inner.parts[0].endswith(":")):
        raise RefusedVersion(f"{name} has a member {member!r}, which leaves the folder")
    if inner.suffix.lower() in pickle_names:
        raise RefusedVersion(f"{name} has a member {member!r}, which holds pickles")
    if opened is None:
        return
    with opened:
        head = opened.read(HEAD_BYTES)
    if looks_pickled(head) or (head.startswith(b"\x93NUMPY") and _OBJECTS in head):
        raise RefusedVersion(f"{name} has a member {member!r}, which is a pickle")


def _in_zip(path: Path, name: str) -> Iterator[tuple[str, IO[bytes] | None]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise RefusedVersion(f"{name} has a member {member.filename!r}, which is a symbolic link")
                yield member.filename, None if member.is_dir() else archive.open(member)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise RefusedVersion(f"{name} begins as an archive and is none that can be read: {error}") from error


def _in_tar(path: Path, name: str) -> Iterator[tuple[str, IO[bytes] | None]]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if not (member.isfile() or member.isdir()):
                    raise RefusedVersion(f"{name} has a member {member.name!r}, which is a link or no plain file")
                yield member.name, archive.extractfile(member)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise RefusedVersion(f"{name} begins as an archive and is none that can be read: {error}") from error
