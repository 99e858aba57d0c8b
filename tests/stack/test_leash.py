"""A leashed command ends with whoever started it, however that one ends."""

import signal
import subprocess
import sys
import threading

import psutil

from conch.stack.leash import leashed

STARTER = """
import subprocess, time
from conch.stack.leash import leashed
child = subprocess.Popen(leashed(["sleep", "600"]), start_new_session=True)
while open(f"/proc/{child.pid}/comm").read() != "sleep\\n":
    time.sleep(0.01)
print(child.pid, flush=True)
time.sleep(600)
"""


def test_what_is_started_ends_with_a_killed_starter():
    with subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        child = psutil.Process(int(starter.stdout.readline()))
        starter.send_signal(signal.SIGKILL)
    gone, alive = psutil.wait_procs([child], timeout=20)
    assert (len(gone), alive) == (1, [])


def test_a_thread_starts_its_commands_bare():
    commands = []
    thread = threading.Thread(target=lambda: commands.append(leashed(["sleep", "1"])))
    thread.start()
    thread.join()
    assert commands == [["sleep", "1"]]
    assert leashed(["sleep", "1"])[-2:] == ["sleep", "1"]
    assert len(leashed(["sleep", "1"])) > 2
