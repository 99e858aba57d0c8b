import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from conch.contracts.errors import Unavailable
from conch.rollout.manifest import CHECKSUMS, SIGNATURE
from conch.rollout.publications import Publication
from conch.rollout.refusals import RefusedVersion
from conch.rollout.signatures import sign


@pytest.fixture
def private_key(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture
def foreign(version, private_key):
    """Its Python is somebody else's; signed."""
    folder = version("foreign")
    (folder / "model.py").write_text("import os\n")
    return folder, sign(folder, private_key)


def trust(folders, *keys):
    (folders.root / "rollout.toml").write_text(f"trusted_keys = {list(keys)}\n")


async def test_a_signed_version_goes_live_where_its_key_is_trusted(publisher, folders, foreign):
    folder, public = foreign
    with pytest.raises(RefusedVersion, match="names no trusted_keys"):
        await publisher.publish(Publication("intent", folder))
    trust(folders, public)
    assert (await publisher.publish(Publication("intent", folder, again=True))).champion == 2
    assert folders.journal.lines("intent")[-1].evidence["signed_by"] == public
    # So that its config can change, too.
    assert (folders.version("intent", 2) / SIGNATURE).is_file()
    assert (await publisher.publish(Publication("intent", folders.version("intent", 2)))).champion == 3


async def test_a_key_that_is_not_trusted_vouches_for_nothing(publisher, folders, foreign, tmp_path):
    folder, _ = foreign
    other = tmp_path / "other.pem"
    other.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    trust(folders, sign(shutil.copytree(folder, tmp_path / "copy"), other))
    with pytest.raises(RefusedVersion, match="of none of the 1 keys"):
        await publisher.publish(Publication("intent", folder))


def changed(folder):
    (folder / "model.py").write_text("import sys\n")


def added(folder):
    (folder / "more.py").write_text("import sys\n")


def taken_away(folder):
    (folder / "weights.bin").unlink()


def without_sums(folder):
    (folder / CHECKSUMS).unlink()


def other_sums(folder):
    (folder / CHECKSUMS).write_text((folder / CHECKSUMS).read_text() + "\n")


def nonsense(folder):
    (folder / SIGNATURE).write_text("nonsense")


BAD = {
    changed: r"model\.py has .* checksums\.json says",
    added: r"more\.py is not in checksums\.json",
    taken_away: r"weights\.bin is missing",
    without_sums: r"and no checksums\.json",
    other_sums: "of none of the 1 keys",
    nonsense: "of none of the 1 keys",
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
async def test_what_is_not_as_it_was_signed_is_refused(publisher, folders, triton, foreign, spoil):
    folder, public = foreign
    trust(folders, public)
    spoil(folder)
    with pytest.raises(RefusedVersion, match=BAD[spoil]):
        await publisher.publish(Publication("intent", folder))
    assert triton.served == {"intent": [1]}


async def test_an_unsigned_version_is_held_to_our_entry_point_whoever_is_trusted(publisher, folders, foreign):
    folder, public = foreign
    trust(folders, public)
    (folder / SIGNATURE).unlink()
    (folder / CHECKSUMS).unlink()
    with pytest.raises(RefusedVersion, match="foreign Python"):
        await publisher.publish(Publication("intent", folder))


async def test_a_setting_that_is_no_key_is_told(publisher, folders, foreign):
    folder, _ = foreign
    trust(folders, "abc")
    with pytest.raises(Unavailable, match="trusted_keys has 'abc', no public key"):
        await publisher.publish(Publication("intent", folder))
    assert folders.quarantine.all() == []
