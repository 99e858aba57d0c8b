import bz2
import gzip
import io
import lzma
import os
import pickle
import tarfile
import zipfile
import zlib

import numpy as np
import pytest

from conch.rollout.files import check_files, signed
from conch.rollout.manifest import CHECKSUMS, FileManifest, fingerprint
from conch.rollout.refusals import RefusedVersion


@pytest.fixture
def folder(tmp_path):
    """A version that may go live."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "model.py").write_text("# ours\n")
    (tmp_path / "inner/weights.bin").write_bytes(b"\x06\x00\x00\x00weights")
    np.save(tmp_path / "table.npy", np.zeros(3))
    with zipfile.ZipFile(tmp_path / "table.npz", "w") as archive:
        archive.writestr("table.npy", b"")
    return tmp_path


def link_out(folder):
    (folder / "inner/passwd").symlink_to("/etc/passwd")


def link_in(folder):
    (folder / "again.bin").symlink_to("inner/weights.bin")


def link_a_folder(folder):
    (folder / "etc").symlink_to("/etc")


def pipe(folder):
    os.mkfifo(folder / "pipe")


def code(folder):
    (folder / "helper.py").write_text("import os\n")


def pickled(folder):
    (folder / "weights").write_bytes(pickle.dumps([1]))


def pickle_by_name(folder):
    (folder / "weights.pkl").write_bytes(pickle.dumps([1], protocol=0))


def objects(folder):
    np.save(folder / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)


def torch_archive(folder):
    with zipfile.ZipFile(folder / "weights.bin", "w") as archive:
        archive.writestr("archive/data.pkl", b"")


def leaving_archive(folder):
    with zipfile.ZipFile(folder / "words.zip", "w") as archive:
        archive.writestr("../../outside", b"")


def link_in_archive(folder):
    member = zipfile.ZipInfo("words")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(folder / "words.zip", "w") as archive:
        archive.writestr(member, "/etc/passwd")


def pickle_in_archive(folder):
    with zipfile.ZipFile(folder / "words.zip", "w") as archive:
        archive.writestr("words", pickle.dumps(os.getcwd, protocol=0))


def objects_in_archive(folder):
    np.savez(folder / "words.npz", words=np.array([{}], dtype=object))


def tar_of(folder, name, member, content=b""):
    with tarfile.open(folder / name, "w:gz") as archive:
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


def leaving_tar(folder):
    tar_of(folder, "words.tgz", tarfile.TarInfo("../outside"))


def absolute_tar(folder):
    tar_of(folder, "words.tgz", tarfile.TarInfo("/etc/passwd"))


def link_in_tar(folder):
    member = tarfile.TarInfo("words")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    tar_of(folder, "words.tgz", member)


def pickle_in_tar(folder):
    tar_of(folder, "words.tgz", tarfile.TarInfo("words"), pickle.dumps(os.getcwd))


def no_archive(folder):
    (folder / "words.zip").write_bytes(b"PK\x03\x04 and no more")


BAD = {
    link_out: "inner/passwd is a symbolic link to /etc/passwd",
    link_in: r"again\.bin is a symbolic link",
    link_a_folder: "etc is a symbolic link to /etc",
    pipe: "pipe is no plain file",
    code: r"helper\.py is code",
    pickled: "weights begins as a pickle",
    pickle_by_name: r"weights\.pkl holds pickles",
    objects: r"objects\.npy is an array of objects",
    torch_archive: r"weights\.bin has a member 'archive/data\.pkl', which holds pickles",
    leaving_archive: r"has a member '\.\./\.\./outside', which leaves the folder",
    link_in_archive: "has a member 'words', which is a symbolic link",
    pickle_in_archive: "has a member 'words', which is a pickle",
    objects_in_archive: r"has a member 'words\.npy', which is a pickle",
    leaving_tar: r"has a member '\.\./outside', which leaves the folder",
    absolute_tar: "has a member '/etc/passwd', which leaves the folder",
    link_in_tar: "has a member 'words', which is a link",
    pickle_in_tar: "has a member 'words', which is a pickle",
    no_archive: "begins as an archive and is none",
}


def test_data_and_an_entry_point_may_be_there(folder):
    check_files(folder)


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_what_may_not_be_there_is_named(folder, spoil):
    was = fingerprint(folder)
    spoil(folder)
    with pytest.raises(RefusedVersion, match=BAD[spoil]):
        check_files(folder)
    assert fingerprint(folder) != was


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zlib.compress, bz2.compress, lzma.compress])
def test_a_pickle_is_known_by_what_it_holds(folder, protocol, pack):
    (folder / "weights.bin").write_bytes(pack(pickle.dumps(os.getcwd, protocol=protocol)))
    with pytest.raises(RefusedVersion, match=r"weights\.bin begins as a pickle"):
        check_files(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"import io\n\nimport numpy as np\n",
        b"copyright\nholders\n(c) all of them.",
        b"\x80\x02 is a magic number of two bytes",
        b"\x80\x04\xff\xff",
        np.arange(4096, dtype=np.float32).tobytes(),
        b"\x1f\x8b is no gzip",
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_only_looks_like_a_pickle_may_be_there(folder, content):
    (folder / "words.txt").write_bytes(content)
    check_files(folder)


def test_a_signed_version_may_bring_source_and_nothing_compiled(folder):
    code(folder)
    check_files(folder, signed)
    (folder / "helper.so").touch()
    with pytest.raises(RefusedVersion, match=r"helper\.so is code"):
        check_files(folder, signed)


def test_a_manifest_is_written_and_verified(folder):
    manifest = FileManifest.of(folder)
    manifest.write(folder)
    assert FileManifest.read(folder) == manifest == FileManifest.of(folder)
    manifest.verify(folder)


def test_what_differs_from_the_manifest_is_named_with_both_numbers(folder):
    FileManifest.of(folder).write(folder)
    manifest = FileManifest.read(folder)
    (folder / "model.py").write_text("# theirs\n")
    with pytest.raises(RefusedVersion, match=r"model\.py has 9 bytes, checksums\.json says 7"):
        manifest.verify(folder)
    (folder / "model.py").write_text("# OURS\n")
    with pytest.raises(RefusedVersion, match=r"model\.py has sha256 \w+, checksums\.json says \w+"):
        manifest.verify(folder)
    (folder / "model.py").unlink()
    with pytest.raises(RefusedVersion, match=r"model\.py is missing"):
        manifest.verify(folder)
    (folder / "model.py").write_text("# ours\n")
    (folder / "more").touch()
    with pytest.raises(RefusedVersion, match="more is not in"):
        manifest.verify(folder)


@pytest.mark.parametrize("text", ["", "[]", '{"files": {"a": 1}}', '{"files": {"/etc/passwd": {}}}'])
def test_checksums_that_are_none_are_refused(folder, text):
    (folder / CHECKSUMS).write_text(text)
    with pytest.raises(RefusedVersion, match=r"checksums\.json"):
        FileManifest.read(folder)
