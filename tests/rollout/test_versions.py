import pytest

from conch.contracts.errors import InvalidRequest
from conch.rollout.source import Source
from conch.rollout.versions import LATEST, candidate_name, is_candidate, model_name, version_folders, version_number


@pytest.mark.parametrize("text", ["1", "2", "10", str(LATEST)])
def test_a_version_is_a_whole_number(text):
    assert version_number(text) == int(text)


@pytest.mark.parametrize(
    "text", ["0", "01", "-1", "+1", "1.0", "1e3", "", " 1", "²", "\u0661", str(LATEST + 1), "1" + "0" * 20]
)
def test_anything_else_is_no_version(text):
    with pytest.raises(InvalidRequest, match="is no version"):
        version_number(text)


@pytest.mark.parametrize(
    "text",
    ["", "..", "../intent", "a/b", "Intent", "intent.2", "-intent", "a\n", "é", "a" * 101, "intent--candidate-2"],
)
def test_anything_else_is_no_name_of_a_model(text):
    with pytest.raises(InvalidRequest, match="is no name of a model"):
        model_name(text)


def test_a_candidate_is_told_by_its_name():
    assert is_candidate(candidate_name("intent", 2))
    assert not is_candidate(model_name("a-candidate"))


def test_folders_that_are_no_versions_are_left_out():
    assert version_folders(["10", "2", "01", "0", "configs", "1" * 11]) == [2, 10]


def test_a_folder_named_for_no_version_is_no_source(tmp_path):
    (tmp_path / "01").mkdir()
    with pytest.raises(InvalidRequest, match="'01' is no version"):
        Source.read(tmp_path / "01")


def test_of_a_model_s_folder_the_newest_version_is_meant(tmp_path):
    for number in ("2", "10"):
        (tmp_path / number).mkdir()
    (tmp_path / "config.pbtxt").touch()
    assert Source.read(tmp_path) == Source(tmp_path / "10", tmp_path, 10)
