import contextlib
import os
import signal
import subprocess
import sys

import pytest

from conch.stack.processes import ProcessMark, end_session, is_zombie, session_members

PAUSE = "import signal; signal.pause()"
WITH_A_CHILD = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "{PAUSE}"])
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def leader():
    process = subprocess.Popen(
        [sys.executable, "-c", WITH_A_CHILD], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    process.child = int(process.stdout.readline())
    yield process
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_process_has_one_mark_and_a_stranger_another():
    here = ProcessMark.of(os.getpid())
    assert here == ProcessMark.of(os.getpid())
    assert here != ProcessMark.of(os.getppid())
    assert here.runs()


def test_a_zombie_runs_no_more(leader):
    mark = ProcessMark.of(leader.pid)
    leader.kill()
    assert mark.wait(10)
    assert not mark.runs()
    assert is_zombie(mark)
    assert ProcessMark.of_child(leader.pid) == mark
    leader.wait()
    assert not is_zombie(mark)


def test_a_mark_of_an_earlier_process_signals_nobody(leader):
    mark = ProcessMark.of(leader.pid)
    earlier = ProcessMark(mark.pid, mark.start_ticks - 1, mark.boot_id)
    assert not earlier.signal(signal.SIGKILL)
    assert earlier.wait(0)
    assert mark.runs()


def test_waiting_for_a_process_that_runs_says_so(leader):
    assert not ProcessMark.of(leader.pid).wait(0)


def test_a_session_has_all_that_its_leader_started(leader):
    assert {member.pid for member in session_members(ProcessMark.of(leader.pid))} == {leader.pid, leader.child}


def test_what_a_dead_leader_left_is_found_and_ended(leader):
    mark, child = ProcessMark.of(leader.pid), ProcessMark.of(leader.child)
    leader.kill()
    leader.wait()
    assert end_session(mark) == 1
    assert not child.runs()


def test_a_session_of_a_later_process_with_the_same_pid_is_left_alone(leader):
    mark = ProcessMark.of(leader.pid)
    assert session_members(ProcessMark(mark.pid, mark.start_ticks - 1, mark.boot_id)) == []
    assert session_members(ProcessMark(mark.pid, mark.start_ticks, "another boot")) == []
