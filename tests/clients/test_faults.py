from pathlib import Path

from conch.clients.faults import EVERY, Faults


def test_what_one_writes_another_reads(tmp_path: Path) -> None:
    writer, reader = Faults(tmp_path / "rollout/faults.json"), Faults(tmp_path / "rollout/faults.json")
    assert reader.of("intent") == ""
    writer.begin(["intent", "voice_command"], "its stub has died")
    assert (reader.of("intent"), reader.of("whisper")) == ("its stub has died", "")
    writer.begin(["whisper"], "it hangs")
    writer.end(["intent", "voice_command"])
    assert reader.read() == {"whisper": "it hangs"}
    writer.begin([EVERY], "it is started again")
    assert reader.of("intent") == reader.of("whisper") == "it is started again"
    writer.end_all()
    assert reader.read() == {}


def test_a_file_that_is_torn_or_goes_tells_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('{"intent": ')
    assert Faults(path).read() == {}
    faults = Faults(path)
    faults.begin(["intent"], "dead")
    path.unlink()
    assert faults.read() == {}
    faults.begin(["intent"], "dead")
    assert Faults(path).of("intent") == "dead"


def test_a_disk_that_takes_nothing_keeps_nobody_from_mending(tmp_path: Path) -> None:
    (tmp_path / "rollout").write_text("no folder")
    Faults(tmp_path / "rollout/faults.json").begin(["intent"], "dead")
