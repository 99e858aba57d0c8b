import pytest

from conch.contracts.errors import InvalidRequest
from conch.rollout.policy import Policy
from conch.rollout.publications import Publication
from conch.rollout.retention import size_bytes
from conch.rollout.sources.address import SourceAddress


def test_a_file_that_is_not_there_decides_nothing(tmp_path):
    assert Policy.read(tmp_path) == Policy()


def test_everything_can_be_decided(tmp_path):
    (tmp_path / "rollout.toml").write_text(
        'loaded_versions = 3\nwarm_bytes = 10\ntrusted_keys = ["' + "a" * 43 + '"]\nvital = ["intent"]\n'
        '[sources.releases]\ns3 = "s3://bucket/a/b/"\nendpoint = "http://127.0.0.1:1"\nevery_s = 5\n'
        '[sources.models]\ngit = "https://host/models.git"\nref = "release/1"\nfolder = "models"\n'
    )
    policy = Policy.read(tmp_path)
    bucket = SourceAddress("s3", "s3://bucket/a/b/", endpoint="http://127.0.0.1:1", every_s=5)
    models = SourceAddress("git", "https://host/models.git", ref="release/1", folder="models")
    assert policy == Policy(3, 10, ("a" * 43,), {"releases": bucket, "models": models}, vital=("intent",))
    assert (bucket.bucket, bucket.prefix) == ("bucket", "a/b")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("loaded_versions = 0", "loaded_versions is 0, not a whole number from 1"),
        ("warm_bytes = -1", "warm_bytes is -1"),
        ("trusted_keys = 'abc'", "trusted_keys is 'abc', not a list"),
        ("trusted_keys = ['abc']", "trusted_keys has 'abc', no public key"),
        ("vital = 'intent'", "vital is 'intent', not a list of names"),
        ("keep = 1", "rollout.toml has keep; there are loaded_versions"),
        ("=", "not TOML"),
        ("[sources.a]", "names 0 of s3 and git, 1 is needed"),
        ("[sources.A]\ns3 = 's3://bucket'", "sources.A is not named"),
        ("[sources.a]\ns3 = 'http://bucket'", "not s3://bucket/prefix"),
        ("[sources.a]\ns3 = 's3://bucket'\nsecret = 'x'", "sources.a has secret"),
        ("[sources.a]\ngit = 'https://me:secret@host/a.git'\nref = 'main'", "holds a password"),
        ("[sources.a]\ngit = 'https://host/a.git'", "name a branch, a tag or a commit"),
        ("[sources.a]\ngit = 'https://host/a.git'\nref = '--upload-pack=x'", "name a branch"),
        ("[sources.a]\ngit = '--upload-pack=x'\nref = 'main'", "not a URL or a path"),
        ("[sources.a]\ngit = 'ext::sh -c x'\nref = 'main'", "not a URL or a path"),
        ("[sources.a]\ngit = 'https://host/a.git'\nref = 'main'\nfolder = '../x'", "leaves the checkout"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, complaint):
    with pytest.raises(InvalidRequest, match=complaint):
        Policy.decode(text)


async def test_so_many_versions_stay_loaded_as_the_policy_says(publisher, folders, triton, version):
    (folders.root / "rollout.toml").write_text("loaded_versions = 3\n")
    for name in ("second", "third", "fourth"):
        await publisher.publish(Publication("intent", version(name)))
    assert triton.served == {"intent": [2, 3, 4]}

    (folders.root / "rollout.toml").write_text("loaded_versions = 1\n")
    await publisher.publish(Publication("intent", version("fifth")))
    assert triton.served == {"intent": [5]}


async def test_warm_versions_of_all_models_share_a_bound(publisher, folders, triton, version):
    await publisher.publish(Publication("intent", version("second")))
    size = size_bytes(folders, "intent", 2)
    (folders.root / "rollout.toml").write_text(f"loaded_versions = 9\nwarm_bytes = {2 * size + size // 2}\n")
    for name in ("third", "fourth", "fifth"):
        await publisher.publish(Publication("intent", version(name)))
    assert triton.served == {"intent": [3, 4, 5]}
