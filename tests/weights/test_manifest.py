import re
from pathlib import Path

import pytest

from conch.contracts.errors import InvalidRequest, NotFound
from conch.contracts.specs import MODELS
from conch.weights.manifest import Manifest

ENTRY = """
[[weights]]
model = "tiny"
version = 1
file = "model.bin"
sha256 = "aa"
size_bytes = 2
licence = "MIT"
original = "someone"
packages = [{ name = "tiny-model", version = "1.0", sha256 = "bb", member = "tiny/model.bin" }]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "models.toml"
    path.write_text(text)
    return path


def test_every_shipped_file_is_fully_described():
    manifest = Manifest.read()

    assert manifest.needed
    for file in manifest.files:
        hashes = [file.sha256, *(part.wheel_sha256 for part in file.parts)]
        assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in hashes), file
        assert file.size_bytes > 0, file
        assert file.licence, file
        assert file.original, file
        assert file.parts, file
    names = [str(file) for file in manifest.files]
    assert len(names) == len(set(names))


def test_one_content_has_one_size():
    sizes = {(file.sha256, file.size_bytes) for file in Manifest.read().files}
    assert len(sizes) == len({sha256 for sha256, _ in sizes})


def test_what_serving_needs_belongs_to_a_model_with_a_contract():
    assert {file.model for file in Manifest.read().needed} <= set(MODELS)


def test_a_missing_key_is_named_with_its_entry(tmp_path):
    path = written(tmp_path, ENTRY + ENTRY.replace('licence = "MIT"\n', ""))
    with pytest.raises(InvalidRequest, match=re.escape("models.toml, weights 2 lacks 'licence'")):
        Manifest.read(path)


def test_what_is_not_toml_is_refused(tmp_path):
    with pytest.raises(InvalidRequest, match="not TOML"):
        Manifest.read(written(tmp_path, "[[weights"))


def test_optional_files_are_had_by_name_only(tmp_path):
    manifest = Manifest.read(written(tmp_path, ENTRY + ENTRY.replace("tiny", "big") + "optional = true\n"))

    assert [file.model for file in manifest.needed] == ["tiny"]
    assert [file.model for file in manifest.files_of_all(("big",))] == ["big"]


def test_a_model_without_weights_is_named_with_those_there_are(tmp_path):
    with pytest.raises(NotFound, match=r"'huge'.*tiny"):
        Manifest.read(written(tmp_path, ENTRY)).files_of_all(("huge",))
