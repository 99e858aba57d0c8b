import os

import pytest

from conch.stack.heartbeat import SILENT_S
from conch.stack.processes import ProcessMark
from conch.stack.service import NotYet, Sick, Site
from conch.stack.services.rollout import Rollout
from conch.stack.state import StateFolder


@pytest.fixture
def heartbeat(tmp_path):
    (tmp_path / "rollout").mkdir()
    return tmp_path / "rollout/heartbeat"


@pytest.fixture
def probe(tmp_path, heartbeat):
    mark = ProcessMark.of(os.getpid())
    assert mark is not None
    return Rollout().probe(Site(StateFolder(tmp_path)), mark)


async def test_it_is_ready_when_its_own_heart_beats(probe, heartbeat):
    with pytest.raises(NotYet, match="of pid nobody"):
        await probe.ready()
    heartbeat.write_text("1\n")
    with pytest.raises(NotYet, match="of pid 1, not of"):
        await probe.ready()
    heartbeat.write_text(f"{os.getpid()}\n")
    await probe.ready()
    await probe.look()


async def test_it_is_sick_when_its_heart_has_stood_still(probe, heartbeat):
    with pytest.raises(Sick, match="is gone"):
        await probe.look()
    heartbeat.write_text(f"{os.getpid()}\n")
    stopped = heartbeat.stat().st_mtime - SILENT_S - 5
    os.utime(heartbeat, (stopped, stopped))
    with pytest.raises(Sick, match="no heartbeat for"):
        await probe.look()
