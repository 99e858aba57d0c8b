"""A supervisor with real processes of a few lines each."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conch.contracts.errors import InvalidRequest
from conch.stack.keeper import ServiceFailed
from conch.stack.processes import ProcessMark
from conch.stack.state import AlreadyRunning, ServiceState, ServiceStatus, StackStatus

TINY_STACK = Path(__file__).with_name("tiny_stack.py")


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def runs(pid):
    return ProcessMark.of(int(pid)) is not None


async def test_a_service_starts_when_all_it_needs_is_ready(start, tiny_stack):
    stack = start(tiny_stack.tiny("gateway", "server"), tiny_stack.tiny("server", "store"), tiny_stack.tiny("store"))
    await stack.ready()
    assert stack.lines("ready") == ["store", "server", "gateway"]


async def test_an_early_service_runs_while_what_it_needs_gets_ready_and_is_ready_after_it(start, tiny_stack):
    store = tiny_stack.tiny("store", together_with="server")
    stack = await start(store, tiny_stack.tiny("server", "store", starts_early=True)).ready()
    assert stack.lines("ready") == ["store", "server"]


async def test_services_that_do_not_need_each_other_start_together(start, tiny_stack):
    stack = start(tiny_stack.tiny("one", together_with="two"), tiny_stack.tiny("two", together_with="one"))
    assert await stack.ready()


async def test_what_needs_a_service_ends_before_it(start, tiny_stack):
    stack = start(tiny_stack.tiny("store"), tiny_stack.tiny("server", "store"), tiny_stack.tiny("gateway", "server"))
    await stack.ready()
    await stack.stop()
    assert stack.lines("ended") == ["gateway", "server", "store"]


async def test_a_stopped_stack_leaves_no_process_and_no_status(start, tiny_stack):
    stack = await start(tiny_stack.tiny("server", program=tiny_stack.DEAF_WITH_A_CHILD, drain_s=0.1)).ready()
    pids = [*stack.lines("server.pid"), *stack.lines("server.child")]
    assert all(runs(pid) for pid in pids)
    await stack.stop()
    assert [pid for pid in pids if runs(pid)] == []
    assert stack.status is None


async def test_a_killed_process_is_started_again_and_its_last_lines_are_shown(start, tiny_stack):
    stack = await start(tiny_stack.tiny("server")).ready()
    first = stack.pid("server")
    kill(first)
    await stack.until(lambda: stack.pid("server") not in (None, first) and stack.status.ready)
    assert "server was ended by SIGKILL; starting it again" in stack.log()
    assert "    server says hello" in stack.log()


async def test_children_of_a_killed_process_do_not_outlive_it(start, tiny_stack):
    stack = await start(tiny_stack.tiny("server", program=tiny_stack.DEAF_WITH_A_CHILD, drain_s=0.1)).ready()
    first, [child] = stack.pid("server"), stack.lines("server.child")
    kill(first)
    await stack.until(lambda: stack.pid("server") not in (None, first))
    assert not runs(child)


async def test_five_failures_in_a_row_end_the_stack_and_say_why(start, tiny_stack):
    stack = start(tiny_stack.tiny("store"), tiny_stack.tiny("server", "store", program=tiny_stack.CRASHING))
    with pytest.raises(
        ServiceFailed, match=r"server failed 5 times in a row; the last: ended with exit code 3"
    ) as failed:
        await stack.ended()
    assert failed.value.message.endswith("the disk is full")
    assert stack.log("server").split("\n") == ["the disk is full"] * 5 + [""]
    assert stack.lines("ended") == ["store"]
    assert "stopping: server failed 5 times in a row" in stack.log()


async def test_a_hopeless_start_is_not_tried_again(start, tiny_stack):
    stack = start(tiny_stack.tiny("server"))
    (stack.folder.root / "hopeless").touch()
    with pytest.raises(ServiceFailed, match="server: no such model"):
        await stack.ended()
    assert stack.log("server").count("hello") <= 1


async def test_a_service_that_is_not_ready_in_time_has_failed(start, tiny_stack):
    stack = start(tiny_stack.tiny("server", program="import signal; signal.pause()", start_s=0.05))
    with pytest.raises(ServiceFailed, match=r"is not ready after 0\.05 s: server has not started"):
        await stack.ended()


async def test_a_sick_service_is_healed_without_a_new_process(start, tiny_stack):
    stack = await start(tiny_stack.tiny("server")).ready()
    first = stack.pid("server")
    (stack.folder.root / "server.cure").touch()
    (stack.folder.root / "server.sick").write_text("certain")
    await stack.until(lambda: "server: healed" in stack.log())
    await stack.ready()
    assert stack.pid("server") == first


async def test_a_sick_service_that_cannot_be_healed_is_started_again(start, tiny_stack):
    stack = await start(tiny_stack.tiny("server")).ready()
    first = stack.pid("server")
    (stack.folder.root / "server.sick").write_text("certain")
    await stack.until(lambda: stack.pid("server") not in (None, first))
    (stack.folder.root / "server.sick").unlink()
    await stack.ready()
    assert "server is sick: has a fever; starting it again" in stack.log()


async def test_doubtful_signs_count_only_several_in_a_row(start, tiny_stack):
    stack = await start(tiny_stack.tiny("server", look_every_s=0.01)).ready()
    first = stack.pid("server")
    (stack.folder.root / "server.sick").write_text("doubtful")
    await stack.until(lambda: stack.pid("server") not in (None, first))
    assert stack.size("server.looks") >= tiny_stack.PATIENCE.strikes


async def test_a_probe_that_fails_by_itself_ends_no_stack(start, tiny_stack):
    stack = await start(tiny_stack.tiny("server", look_every_s=0.01)).ready()
    first = stack.pid("server")
    (stack.folder.root / "server.sick").write_text("a riddle")
    await stack.until(lambda: stack.pid("server") not in (None, first))
    (stack.folder.root / "server.sick").unlink()
    await stack.ready()
    assert "ValueError('not in the plan')" in stack.log()


async def test_a_service_is_not_blamed_while_one_it_needs_is_away(start, tiny_stack):
    permit = start.folder.root / "permit.pid"
    permit.touch()
    store = tiny_stack.tiny("store", together_with="permit")
    stack = await start(store, tiny_stack.tiny("server", "store", look_every_s=0.01)).ready()
    server = stack.pid("server")

    permit.unlink()
    kill(stack.pid("store"))
    await stack.until(lambda: stack.status.services["store"].state is ServiceState.STARTING)
    (start.folder.root / "server.sick").write_text("doubtful")
    looks = stack.size("server.looks")
    await stack.until(lambda: stack.size("server.looks") > looks + 3 * tiny_stack.PATIENCE.strikes)
    assert stack.pid("server") == server

    permit.touch()
    await stack.until(lambda: stack.pid("server") != server)


async def test_a_stack_can_be_stopped_while_it_starts(start, tiny_stack):
    stack = start(tiny_stack.tiny("server", program="import signal; signal.pause()"))
    await stack.until(lambda: stack.pid("server"))
    pid = stack.pid("server")
    await stack.stop()
    assert not runs(pid)


async def test_a_second_signal_ends_what_still_drains(start, tiny_stack):
    stack = await start(tiny_stack.tiny("server", program=tiny_stack.DEAF_WITH_A_CHILD, drain_s=3600.0)).ready()
    pid = stack.pid("server")
    stack.hurry.set()
    await stack.stop()
    assert not runs(pid)


async def test_nothing_starts_when_a_preparation_fails(start, tiny_stack):
    def refuse(self, site):
        raise InvalidRequest("whisper/1/model.bin is damaged")

    stack = start(tiny_stack.tiny("store"), tiny_stack.tiny("server", prepare=refuse))
    with pytest.raises(InvalidRequest, match=r"model\.bin is damaged"):
        await stack.ended()
    assert stack.lines("ready") == []
    assert stack.status is None


@pytest.fixture
def stranger():
    """A process that is none of ours, in a session of its own."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


async def test_a_process_of_another_start_time_is_nobody_we_left_behind(start, folder, tiny_stack, stranger):
    mark = ProcessMark.of(stranger.pid)
    older = ProcessMark(mark.pid, mark.start_ticks - 1, mark.boot_id)
    folder.write_status(StackStatus(older, {"server": ServiceStatus(ServiceState.READY, mark.pid, {}, older)}))
    await start(tiny_stack.tiny("server")).ready()
    assert runs(stranger.pid)


@pytest.fixture
def supervisor(folder):
    """In a process of its own: a stack of a store and a server that has a child."""
    process = subprocess.Popen([sys.executable, str(TINY_STACK), str(folder.root)])
    yield process
    process.kill()
    process.wait()


async def test_after_a_killed_supervisor_the_next_start_ends_what_it_left(start, folder, tiny_stack, supervisor):
    await until(lambda: (status := folder.read_status()) is not None and status.ready)
    with pytest.raises(AlreadyRunning, match=f"pid {supervisor.pid}"):
        folder.hold()
    server, orphan = int((folder.root / "server.pid").read_text()), int((folder.root / "server.child").read_text())

    supervisor.kill()
    await until(lambda: not runs(server))
    assert runs(orphan), "this test needs a process that the kernel does not end with its parent"

    folder.hold().release()
    (folder.root / "server.lock").touch()
    stack = await start(tiny_stack.tiny("store"), tiny_stack.tiny("server", "store")).ready()
    assert not runs(orphan)
    assert "ended 1 processes of server that the last stack left behind" in stack.log()
    assert not (folder.root / "server.lock").exists()


async def test_a_stack_whose_folder_is_deleted_ends(folder, supervisor):
    await until(lambda: (status := folder.read_status()) is not None and status.ready)
    server = int((folder.root / "server.pid").read_text())
    shutil.rmtree(folder.root.rename(folder.root.with_name("gone")))
    await until(lambda: supervisor.poll() is not None)
    assert not runs(server)


async def until(condition, timeout_s=20.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
