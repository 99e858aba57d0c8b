"""Who was held up while another took over changes nothing any more."""

import pytest

from conch.rollout.fence import fenced
from conch.rollout.journal import Journal
from conch.rollout.live_config import read_live_config, write_live_config
from conch.rollout.lock import holding
from conch.rollout.record import ModelRecord, Records
from conch.rollout.refusals import Busy, Overthrown


def test_each_holder_is_of_a_later_epoch_and_its_lines_say_which(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    for number in (1, 2):
        with holding(tmp_path / "lock") as fence:
            assert fence.epoch == fenced() == number
            journal.append("did", "intent", 1)
    assert fenced() is None
    assert [line.evidence["epoch"] for line in journal.lines()] == [1, 2]


def test_one_holds_it_at_a_time(tmp_path):
    with holding(tmp_path / "lock") as first:
        with pytest.raises(Busy, match="another publisher"), holding(tmp_path / "lock"):
            pass
        assert first.check() == 1


def write_config(root):
    write_live_config(root / "model", 'name: "intent"\n')


WRITES = {
    "a line of the journal": lambda root: Journal(root / "journal.jsonl").append("did", "intent", 1),
    "a record": lambda root: Records(root / "records").write(ModelRecord("intent", 1, (1,), (1,))),
    "a live config": write_config,
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_who_was_overtaken_writes_nothing(tmp_path, write):
    (tmp_path / "model").mkdir()
    with holding(tmp_path / "lock"):
        (tmp_path / "lock").unlink()  # so that both hold one
        with holding(tmp_path / "lock"):
            write(tmp_path)
        there = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(Overthrown, match="epoch 2 has begun, this change is of epoch 1"):
            write(tmp_path)
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == there


def test_a_live_config_names_its_epoch_to_people_alone(tmp_path):
    (tmp_path / "model").mkdir()
    with holding(tmp_path / "lock"):
        write_config(tmp_path)
    assert (tmp_path / "model/config.pbtxt").read_text() == '# epoch 1\nname: "intent"\n'
    assert read_live_config(tmp_path / "model") == 'name: "intent"\n'
