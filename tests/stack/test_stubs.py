"""Stubs among the children of a process that plays Triton: it starts them and, like Triton, buries none."""

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from conch.stack.processes import ProcessMark, is_zombie
from conch.stack.stubs import Stub, Stubs, stubs_of

SERVER = """
import os, sys
for line in sys.stdin:
    words = line.split()
    print(os.spawnv(os.P_NOWAIT, words[0], words[1:]), flush=True)
"""


class Server:
    def __init__(self, process, folder):
        self._process = process
        self._folder = folder
        self.mark = ProcessMark.of(process.pid)

    def start(self, model, instance):
        code = self._folder / "live" / model / "1" / "model.py"
        code.parent.mkdir(parents=True, exist_ok=True)
        code.write_text("import signal; signal.pause()")
        stub = "/opt/triton_python_backend_stub"
        self._process.stdin.write(f"{os.path.realpath(sys.executable)} {stub} {code} region {instance} DEFAULT\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        while Stub.of(pid) is None:  # between fork and exec it is a copy of its parent
            os.sched_yield()
        return ProcessMark.of(pid)


@contextlib.contextmanager
def running_server(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield Server(process, folder)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture
def server(tmp_path):
    with running_server(tmp_path) as server:
        yield server


@pytest.fixture
def stubs(server):
    return Stubs(server.mark)


def test_a_stub_is_known_by_its_model_and_its_instance(server):
    assert Stub.of(server.start("intent", "intent_0_1").pid) == Stub("intent", "1", "intent_0_1")
    assert Stub.of(server.mark.pid) is None
    assert Stub.of(2**22 - 1) is None


def test_a_dead_stub_is_told_once_and_only_when_it_stays_dead(server, stubs):
    dead, _ = server.start("intent", "intent_0_0"), server.start("vad", "vad_0_0")
    stubs.refresh()
    assert stubs.dead_models() == set()
    dead.end()
    assert [stubs.dead_models() for _ in range(3)] == [set(), {"intent"}, set()]


def test_a_stopped_stub_is_ended_and_told(server, stubs):
    stopped = server.start("intent", "intent_0_0")
    stubs.refresh()
    stopped.signal(signal.SIGSTOP)
    while stubs.dead_models() != {"intent"}:
        assert stopped.runs()
    assert is_zombie(stopped)


def test_a_retired_stub_is_no_news_and_ends_when_its_time_has_come(server, stubs):
    old, other = server.start("intent", "intent_0_0"), server.start("vad", "vad_0_0")
    stubs.refresh()
    stubs.retire("intent", end_at=10.0)
    stubs.refresh()
    stubs.end_retired(now=9.0)
    assert old.runs()
    assert stubs.retired == {old}
    stubs.end_retired(now=10.0)
    assert not old.runs()
    assert other.runs()
    assert [stubs.dead_models() for _ in range(2)] == [set(), set()]


def test_what_is_left_of_a_candidate_that_has_gone_ends(server, stubs):
    names = ("intent", "intent--candidate-2", "intent--candidate-3")
    live, there, gone = (server.start(name, f"{name}_0_0") for name in names)
    stubs.refresh()
    stubs.retire_candidates(["intent--candidate-2"], end_at=10.0)
    stubs.end_retired(now=9.0)
    assert gone.runs()
    stubs.end_retired(now=10.0)
    assert [one.runs() for one in (live, there, gone)] == [True, True, False]


def test_stubs_of_a_server_are_told_oldest_first(server):
    started = [server.start("intent", f"intent_0_{number}") for number in range(3)]
    assert [mark.start_ticks for mark in stubs_of(server.mark)] == sorted(mark.start_ticks for mark in started)


def test_one_instance_can_be_ended_by_its_name(server, stubs):
    one, other = server.start("intent", "intent_0_0"), server.start("intent", "intent_0_1")
    stubs.refresh()
    stubs.end_instance("intent_0_1")
    assert one.runs()
    assert not other.runs()
