from pathlib import Path

import pytest

from conch.contracts.specs import INTENT
from conch.rollout.entry_point import EntryPoint
from conch.rollout.refusals import RefusedVersion

OURS = (Path(__file__).parents[2] / "model_repository/intent/1/model.py").read_text()


def test_our_entry_point_names_the_class_and_its_spec(tmp_path):
    (tmp_path / "model.py").write_text(OURS)
    entry = EntryPoint.read(tmp_path)
    assert entry == EntryPoint("conch.models.intent", "Intent")
    assert entry.spec() is INTENT


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("class Broken(:", "is not Python"),
        ("\0", "is not Python"),
        ("", "foreign Python"),
        ("import os\n" + OURS, "foreign Python"),
        (OURS + "    x = __import__('os')\n", "foreign Python"),
        (OURS.replace("conch.models.intent", "os"), "foreign Python"),
        (OURS.replace("model_class = Intent", "model_class = print"), "foreign Python"),
    ],
    ids=["broken", "nul", "empty", "one line more", "a member more", "another package", "another class"],
)
def test_anything_else_is_refused_without_being_run(tmp_path, source, reason):
    (tmp_path / "model.py").write_text(source)
    with pytest.raises(RefusedVersion, match=reason):
        EntryPoint.read(tmp_path)


def test_a_class_that_there_is_not_is_named(tmp_path):
    (tmp_path / "model.py").write_text(OURS.replace("Intent", "Intention"))
    with pytest.raises(RefusedVersion, match=r"conch\.models\.intent\.Intention"):
        EntryPoint.read(tmp_path).spec()
