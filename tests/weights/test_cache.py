import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from conch.weights.cache import WeightCache, WeightsDamaged, WeightsMissing, default_root, verified_weights
from conch.weights.manifest import Manifest, WeightFile

CONTENT = b"some weights"
FILE = WeightFile(
    model="tiny",
    version=1,
    file="model.bin",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size_bytes=len(CONTENT),
    licence="MIT",
    original="this test",
    parts=(),
)


@pytest.fixture
def cache(tmp_path: Path) -> WeightCache:
    return WeightCache(tmp_path)


def put(cache: WeightCache, file: WeightFile, content: bytes) -> Path:
    path = cache.path(file)
    path.write_bytes(content)
    return path


def test_an_intact_file_is_told_by_its_path(cache):
    path = put(cache, FILE, CONTENT)

    assert cache.has(FILE)
    assert cache.verify(FILE) == path


def test_a_missing_file_is_named_with_what_it_must_be_and_the_remedy(cache):
    assert not cache.has(FILE)
    with pytest.raises(WeightsMissing) as missing:
        cache.verify(FILE)
    assert missing.value.message == (
        f"weights of tiny/1/model.bin are missing: expected sha256 {FILE.sha256} (12 bytes) at {cache.path(FILE)}; "
        "run: conch models pull tiny"
    )


@pytest.mark.parametrize(
    "content", [pytest.param(b"some_weights", id="other bytes"), pytest.param(CONTENT[:-1], id="truncated")]
)
def test_a_damaged_file_is_named_with_both_hashes_and_sizes(cache, content):
    path = put(cache, FILE, content)

    with pytest.raises(WeightsDamaged) as damaged:
        cache.verify(FILE)
    assert damaged.value.message == (
        f"weights of tiny/1/model.bin are damaged: expected sha256 {FILE.sha256} (12 bytes), "
        f"found {hashlib.sha256(content).hexdigest()} ({len(content)} bytes) at {path}; run: conch models pull tiny"
    )


def test_verified_weights_come_by_version_and_name(cache):
    other = replace(FILE, model="other", version=2, file="voice.onnx")
    path = put(cache, FILE, CONTENT)
    manifest = Manifest((FILE, other, replace(FILE, model="extra", optional=True, sha256="absent")))

    assert verified_weights(manifest=manifest, cache=cache) == {
        "tiny/1": {"model.bin": path},
        "other/2": {"voice.onnx": path},
    }
    assert verified_weights(["other", "an ensemble"], manifest=manifest, cache=cache) == {
        "other/2": {"voice.onnx": path}
    }


@pytest.mark.parametrize(
    ("environment", "root"),
    [
        ({"XDG_CACHE_HOME": "/var/caches"}, Path("/var/caches/conch/weights")),
        ({"XDG_CACHE_HOME": ""}, Path.home() / ".cache/conch/weights"),
        ({}, Path.home() / ".cache/conch/weights"),
    ],
    ids=["set", "empty", "unset"],
)
def test_the_cache_honours_xdg_cache_home(environment, root):
    assert default_root(environment) == root
