"""A real S3 server."""

import pytest

from conch.contracts.errors import Unavailable
from conch.rollout.sources.address import SourceAddress
from conch.rollout.sources.bucket import Bucket
from conch.rollout.sources.mirror import Mirror
from conch.rollout.sources.remote import RemoteFile


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sources/releases"


def there(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


async def test_a_prefix_of_a_bucket_is_mirrored_and_followed(s3, folder):
    s3.put("team/words/1/a.bin", b"one")
    s3.put("team/words/1/large.bin", bytes(range(256)) * 2**14)
    s3.put("team/words/config.pbtxt", b"config")
    s3.put("others/words/7/a.bin", b"not ours")
    mirror = Mirror(Bucket(s3.address("team")), folder, None)
    await mirror.step()
    assert there(folder) == {
        "words/1/a.bin": b"one",
        "words/1/large.bin": bytes(range(256)) * 2**14,
        "words/config.pbtxt": b"config",
    }
    s3.put("team/words/2/a.bin", b"two")
    s3.put("team/words/1/a.bin", b"changed")
    await mirror.step()
    assert (there(folder)["words/2/a.bin"], there(folder)["words/1/a.bin"]) == (b"two", b"changed")


async def test_what_changed_since_it_was_listed_is_not_taken(s3, tmp_path):
    s3.put("words/1/a.bin", b"one")
    bucket = Bucket(s3.address())
    (listed,) = (await bucket.files()).values()
    with pytest.raises(Unavailable, match="has changed since"):
        await bucket.fetch("words/1/a.bin", RemoteFile("another", listed.size_bytes), tmp_path / "a.bin")
    with pytest.raises(Unavailable, match="cannot be fetched"):
        await bucket.fetch("words/1/nothing.bin", listed, tmp_path / "a.bin")


async def test_a_wrong_secret_and_a_server_that_is_away_are_told(s3, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(Unavailable, match=r"s3://models/ cannot be listed: .*403"):
        await Bucket(s3.address()).files()
    with pytest.raises(Unavailable, match="cannot be listed"):
        await Bucket(SourceAddress("s3", "s3://models", "http://127.0.0.1:1", "us-east-1")).files()
