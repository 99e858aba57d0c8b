"""The features of a stack, with a heartbeat instead of a process."""

import os
from pathlib import Path

import pytest

from conch.stack.heartbeat import SILENT_S
from conch.stack.processes import ProcessMark
from conch.stack.service import NotYet, Sick, Site
from conch.stack.services.features import Features
from conch.stack.state import StateFolder


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(StateFolder(tmp_path), addresses={"redis": {"redis": "127.0.0.1:6379"}})


def test_it_is_told_of_the_catalogues_the_redis_and_where_its_heart_beats(site, tmp_path):
    arguments = Features().launch(site).command[1:]
    heartbeat = str(tmp_path / "data/features/heartbeat")
    assert arguments == ["-m", "conch.features", str(tmp_path / "catalogues"), "127.0.0.1:6379", heartbeat]


async def test_it_is_ready_when_its_own_heart_beats_and_sick_when_it_stops(site, tmp_path):
    probe = Features().probe(site, ProcessMark.of(os.getpid()))
    with pytest.raises(NotYet, match="the heartbeat is of pid nobody"):
        await probe.ready()
    with pytest.raises(Sick, match="its heartbeat is gone"):
        await probe.look()
    heartbeat = tmp_path / "data/features/heartbeat"
    heartbeat.parent.mkdir(parents=True)
    heartbeat.write_text(f"{os.getpid()}\n")
    await probe.ready()
    await probe.look()
    stopped = heartbeat.stat().st_mtime - SILENT_S - 5
    os.utime(heartbeat, (stopped, stopped))
    with pytest.raises(Sick, match="no heartbeat for"):
        await probe.look()
