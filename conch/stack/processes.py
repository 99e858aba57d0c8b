"""Name a process so that nobody else can be meant: its pid together with the moment it started.

Pids are used again; the start time, in ticks since boot, and the boot's id tell two processes of one pid apart.
"""

import contextlib
import ctypes
import os
import select
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_PROC = Path("/proc")
_START_TIME = 19  # fields of /proc/PID/stat after the command's name, see proc(5)
_SESSION = 3
_STATE = 0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class ProcessMark:
    pid: int
    start_ticks: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """None where no process of that pid runs; a zombie runs no more."""
        fields = _stat(pid)
        if fields is None or fields[_STATE] in "ZX":
            return None
        return cls(pid, int(fields[_START_TIME]), _boot_id())

    @classmethod
    def of_child(cls, pid: int) -> Self:
        """Of a child that nobody has waited for: it has a mark even if it has ended already."""
        fields = _stat(pid)
        if fields is None:
            raise ProcessLookupError(f"no process {pid}")
        return cls(pid, int(fields[_START_TIME]), _boot_id())

    def runs(self) -> bool:
        return ProcessMark.of(self.pid) == self

    def signal(self, number: signal.Signals) -> bool:
        """Send it to this process and to no later one of the same pid; False where it has ended."""
        with self._descriptor() as descriptor:
            if descriptor is None:
                return False
            try:
                signal.pidfd_send_signal(descriptor, number)
            except ProcessLookupError:
                return False
            return True

    def end(self, timeout_s: float = 5.0) -> None:
        """Kill it and see it gone."""
        self.signal(signal.SIGKILL)
        self.wait(timeout_s)

    def wait(self, timeout_s: float) -> bool:
        """True once it has ended, False where it still runs after `timeout_s`."""
        with self._descriptor() as descriptor:
            return descriptor is None or bool(select.select([descriptor], [], [], timeout_s)[0])

    @contextlib.contextmanager
    def _descriptor(self) -> Iterator[int | None]:
        """A descriptor of the process itself, which no later process of the same pid can take over."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            yield None
            return
        try:
            yield descriptor if self.runs() else None
        finally:
            os.close(descriptor)


def session_members(leader: ProcessMark) -> list[ProcessMark]:
    """Processes that run in the session `leader` opened, whether or not the leader still runs itself."""
    present = ProcessMark.of(leader.pid)
    if leader.boot_id != _boot_id() or present not in (None, leader):
        return []  # the pid is somebody else's now, and so is its session
    members: list[ProcessMark] = []
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        fields = _stat(int(entry.name))
        if fields is None or fields[_STATE] in "ZX" or int(fields[_SESSION]) != leader.pid:
            continue
        if int(fields[_START_TIME]) >= leader.start_ticks:
            members.append(ProcessMark(int(entry.name), int(fields[_START_TIME]), leader.boot_id))
    return members


def end_session(leader: ProcessMark, timeout_s: float = 5.0) -> int:
    """Kill what is left of the session; how many processes that were."""
    members = session_members(leader)
    for member in members:
        member.signal(signal.SIGKILL)
    for member in members:
        member.wait(timeout_s)
    return len(members)


def is_zombie(mark: ProcessMark) -> bool:
    """It has ended, and its parent has not asked how."""
    return _state(mark) == "Z"


def is_stopped(mark: ProcessMark) -> bool:
    """By SIGSTOP or from a terminal; a debugger's stop is another state."""
    return _state(mark) == "T"


def adopt_orphans() -> None:
    """From now on, what our children leave behind becomes our child, so that `reap_group` can bury it.

    Otherwise it goes to process 1, which in many containers buries nobody.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def reap_group(leader_pid: int) -> None:
    """Bury all ended children of ours in that process group."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-leader_pid, os.WNOHANG) != (0, 0):
            pass


def _state(mark: ProcessMark) -> str | None:
    fields = _stat(mark.pid)
    return fields[_STATE] if fields is not None and int(fields[_START_TIME]) == mark.start_ticks else None


def _stat(pid: int) -> list[str] | None:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()  # the name before it may hold spaces and brackets


def _boot_id() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
