"""A stack's state folder: where its files lie, who holds it, and what runs in it.

repository/             models and ensembles as a user or a pipeline leaves them
live/models|ensembles/  what Triton reads
logs/<service>.log
data/<service>/         what a service keeps between two starts
run/lock                held (flock) by the supervisor as long as it lives
run/stack.json          StackStatus; the supervisor alone writes it
"""

import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from conch.contracts.errors import ConchError, Internal, Unavailable
from conch.stack.processes import ProcessMark


class NoStack(Unavailable):
    """No stack runs in that state folder."""

    def __init__(self, root: Path) -> None:
        option = "" if root == default_root() else f" --state {root}"
        super().__init__(f"no stack is running in {root}; start one: conch up --detach{option}")


class AlreadyRunning(ConchError):
    """A second supervisor on one state folder."""

    def __init__(self, root: Path) -> None:
        status = StateFolder(root).read_status()
        who = f"pid {status.pid}" if status and status.supervisor.runs() else "it is just starting"
        option = "" if root == default_root() else f" --state {root}"
        super().__init__(f"a stack is already running in {root} ({who}); to stop it: conch down{option}")


class ServiceState(StrEnum):
    WAITING = "waiting"  # for what it depends on
    STARTING = "starting"
    READY = "ready"
    HEALING = "healing"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    state: ServiceState
    pid: int | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)
    """By face: {"grpc": "127.0.0.1:8021"}."""
    mark: ProcessMark | None = None
    """Of the process `pid`, so that the next start can end it where the supervisor could not."""


@dataclass(frozen=True, slots=True)
class StackStatus:
    supervisor: ProcessMark
    services: Mapping[str, ServiceStatus] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self.supervisor.pid

    @property
    def ready(self) -> bool:
        states = [service.state for service in self.services.values()]
        return bool(states) and all(state is ServiceState.READY for state in states)

    def to_json(self) -> dict[str, Any]:
        """The stable, documented form."""
        return {
            "ready": self.ready,
            "pid": self.pid,
            "services": {
                name: {"state": service.state.value, "pid": service.pid, "addresses": dict(service.addresses)}
                for name, service in self.services.items()
            },
        }

    def encode(self) -> str:
        document = self.to_json()
        document["marks"] = {
            "supervisor": _mark_to_json(self.supervisor),
            **{name: _mark_to_json(service.mark) for name, service in self.services.items() if service.mark},
        }
        return json.dumps(document, indent=2) + "\n"

    @classmethod
    def decode(cls, text: str) -> Self:
        try:
            document = json.loads(text)
            marks = {name: ProcessMark(**mark) for name, mark in document["marks"].items()}
            services = {
                name: ServiceStatus(
                    ServiceState(entry["state"]), entry["pid"], dict(entry["addresses"]), marks.get(name)
                )
                for name, entry in document["services"].items()
            }
            return cls(marks["supervisor"], services)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Internal(f"run/stack.json cannot be read: {error!r}") from error


def default_root() -> Path:
    """$CONCH_STATE, or conch under the XDG state folder."""
    if chosen := os.environ.get("CONCH_STATE"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state"
    return Path(base) / "conch"


class StateFolder:
    """Paths under a root; making them is `create()`, reading them needs none to exist."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).absolute()
        self.repository = self.root / "repository"
        self.live_models = self.root / "live/models"
        self.live_ensembles = self.root / "live/ensembles"
        self.logs = self.root / "logs"
        self.data = self.root / "data"
        self.run = self.root / "run"

    def create(self) -> None:
        """Raises Unavailable where it cannot be written."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.repository, self.live_models, self.live_ensembles, self.logs, self.data, self.run):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"the state folder {self.root} cannot be made: {error.strerror}; choose another with --state DIR"
            ) from error

    def log(self, service: str) -> Path:
        return self.logs / f"{service}.log"

    def hold(self, patience_s: float = 2.0) -> "StackLock":
        """The right to run a stack here; raises AlreadyRunning."""
        self.create()
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return StackLock(self)
            except AlreadyRunning:
                # A supervisor that was killed a moment ago may not have let go yet; one that just starts has no name.
                status = self.read_status()
                if (status is not None and status.supervisor.runs()) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def read_status(self) -> StackStatus | None:
        """What the last supervisor wrote, whether or not it still runs; None where there is nothing to read."""
        try:
            return StackStatus.decode((self.run / "stack.json").read_text())
        except (FileNotFoundError, NotADirectoryError, Internal):
            return None  # a file that a crash of the machine left empty tells as little as none

    def write_status(self, status: StackStatus) -> None:
        draft = self.run / "stack.json.new"
        draft.write_text(status.encode())
        draft.replace(self.run / "stack.json")

    def forget_status(self) -> None:
        (self.run / "stack.json").unlink(missing_ok=True)


class StackLock:
    """An flock: it ends with the process that holds it, however that ends, so a stale one does not exist."""

    def __init__(self, folder: StateFolder) -> None:
        self._path = folder.run / "lock"
        self._descriptor = self._open()
        while not self.is_current():  # its last holder let go, and deleted it, between our open and our flock
            os.close(self._descriptor)
            self._descriptor = self._open()

    def _open(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunning(self._path.parent.parent) from None
        return descriptor

    def is_current(self) -> bool:
        """False when somebody has deleted the file: then another may hold the right too."""
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        if self.is_current():
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def running_stack(root: Path | str | None = None) -> StackStatus:
    """The stack that runs in `root` (default: `default_root()`), ready or not; raises NoStack."""
    folder = StateFolder(root or default_root())
    status = folder.read_status()
    if status is None or not status.supervisor.runs():
        raise NoStack(folder.root)
    return status


def _mark_to_json(mark: ProcessMark) -> dict[str, Any]:
    return {"pid": mark.pid, "start_ticks": mark.start_ticks, "boot_id": mark.boot_id}
