"""`conch demo swap`: a model is updated, badly updated, rolled back and healed while callers ask it all the time.

In the stack that runs, which is left as it was; where none runs, in one of its own, which it stops again.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from conch.cli.connection import Key, State, needing_a_stack, tensors_address
from conch.cli.console import FAILED, err, out, reporting_errors
from conch.cli.publish import publisher_of
from conch.cli.steady import DEADLINE_S, PATIENT, Tally, steadily
from conch.clients.edge import AsyncClient
from conch.clients.inference import text_column
from conch.contracts.errors import Internal, Unavailable
from conch.rollout.folders import Folders
from conch.rollout.journal import Line
from conch.rollout.publisher import Publisher
from conch.rollout.record import ModelRecord
from conch.rollout.refusals import Busy
from conch.rollout.tail import JournalTail
from conch.stack.processes import ProcessMark
from conch.stack.state import NoStack, StateFolder, default_root, running_stack
from conch.stack.stubs import stubs_of

MODEL = "intent"
INPUTS = {"text": text_column("call John")}
LOOK_S = 0.05
_MARK = "swap-demo.txt"


def swap(state: State = None, key: Key = "") -> None:
    """Update a model under load: a good version goes live, a bad one is refused; roll back; kill it and see it heal."""
    with reporting_errors(), needing_a_stack(), _stack(state) as root:
        tally = asyncio.run(_show(root, key))
    if tally.errors:
        for error in sorted(set(tally.errors)):
            err.print(error, markup=False, style="red", soft_wrap=True)
        raise typer.Exit(FAILED)


async def _show(root: Path, key: str) -> Tally:
    client = AsyncClient(tensors_address(root), api_key=key, timeout_s=DEADLINE_S, retries=PATIENT)
    async with client, steadily(client, MODEL, INPUTS) as tally:
        play = Play(Folders(root), publisher_of(root), tally)
        await play.opening()
        try:
            good = await play.goes_live()
            await play.is_refused(good + 1)
            await play.is_rolled_back()
            await play.is_healed(_server(root))
        finally:
            play.clear_up()
    play.say(f"{tally.answers + len(tally.errors)} calls, {len(tally.errors)} errors")
    return tally


@dataclass(slots=True)
class Play:
    folders: Folders
    publisher: Publisher
    tally: Tally
    began: float = 0.0

    async def opening(self) -> None:
        self.began = time.monotonic()
        await self._until(lambda: self.tally.answers > 0 or bool(self.tally.errors), "an answer")
        self.say(f"two callers ask {MODEL} all the time; version {self.tally.newest} answers")

    async def goes_live(self) -> int:
        """The new version's number."""
        version = max(self.folders.live_versions(MODEL)) + 1
        self._drop(version, "new")
        await self._told("promoted", version)
        await self._until(lambda: self.tally.newest == str(version), f"an answer of version {version}")
        self.say(f"version {version} is live and answers; {self._so_far()}")
        return version

    async def is_refused(self, version: int) -> None:
        self._drop(version, "confused", _confuse)
        line = await self._told("refused", version)
        self.say(f"version {version} is refused: {line.evidence['reason']}; version {self.tally.newest} answers")

    async def is_rolled_back(self) -> None:
        self.say(f"conch rollback {MODEL}")
        record = await self._roll_back()
        await self._until(lambda: self.tally.newest == str(record.champion), f"an answer of version {record.champion}")
        self.say(f"version {record.champion} is live again and answers; {self._so_far()}")

    async def is_healed(self, server: ProcessMark) -> None:
        serving = (MODEL, self.tally.newest)
        stubs = [mark for mark, one in stubs_of(server).items() if (one.model, one.version) == serving]
        if not stubs:
            raise Internal(f"Triton runs no process of version {self.tally.newest} of {MODEL}")
        stub = stubs[-1]  # those that were replaced go on for a while
        self.say(f"kill -9 {stub.pid}: one of the processes in which {MODEL} runs")
        self.tally.longest_s = 0.0
        tail = self._tail()
        os.kill(stub.pid, signal.SIGKILL)
        line = await self._found(tail, "healed", None)
        answers = self.tally.answers
        await self._until(lambda: self.tally.answers >= answers + 10, "answers after the healing")
        waited = f"the longest wait for an answer was {self.tally.longest_s:.1f} s"
        self.say(f"healed {line.evidence['took_s']:.1f} s after it was found dead; {waited}")

    async def _roll_back(self) -> ModelRecord:
        ends = time.monotonic() + DEADLINE_S
        while True:
            try:
                return await self.publisher.roll_back(MODEL)
            except Busy:  # with what is left of the version that was refused
                if time.monotonic() > ends:
                    raise
                await asyncio.sleep(LOOK_S)

    def clear_up(self) -> None:
        """What was dropped; versions that went live stay on disk, unloaded."""
        for folder in (self.folders.repository / MODEL).iterdir():
            if (folder / _MARK).is_file():
                shutil.rmtree(folder)

    def say(self, words: str) -> None:
        out.print(f"{time.monotonic() - self.began:5.1f}  {words}", markup=False, soft_wrap=True)

    def _drop(self, version: int, name: str, change: Callable[[Path], None] = lambda version: None) -> None:
        record = self.folders.records.read(MODEL)
        champion = record.champion if record else max(self.folders.live_versions(MODEL))
        new = self.folders.rollout / "demo" / str(version)
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(self.folders.version(MODEL, champion), new, ignore=shutil.ignore_patterns("checksums.*"))
        (new / _MARK).write_text(f"made by conch demo swap, {time.time()}\n")
        change(new)
        target = self.folders.repository / MODEL / str(version)
        self.say(f"cp -r {name}/{version} {target}")
        shutil.copytree(new, target)
        shutil.rmtree(new.parent)

    def _so_far(self) -> str:
        return f"{self.tally.answers} answers, {len(self.tally.errors)} errors"

    def _tail(self) -> JournalTail:
        return JournalTail.at_the_end(self.folders.journal.path)

    async def _told(self, action: str, version: int) -> Line:
        return await self._found(self._tail(), action, version)

    async def _found(self, tail: JournalTail, action: str, version: int | None) -> Line:
        """The journal's next line of that action; raises Unavailable for a version that fares otherwise."""
        found: list[Line] = []

        def told() -> bool:
            lines = [line for line in tail.read() if (line.model, line.version) == (MODEL, version)]
            found.extend(lines)
            return any(line.action in (action, "promoted", "refused", "failed") for line in lines)

        await self._until(told, f"version {version} {action}" if version else action)
        if found[-1].action != action:
            raise Unavailable(f"{MODEL} {version} was {found[-1].action}: {found[-1].evidence.get('reason', '')}")
        return found[-1]

    async def _until(self, true: Callable[[], bool], what: str) -> None:
        ends = time.monotonic() + DEADLINE_S
        while not true():
            if time.monotonic() > ends:
                raise Unavailable(f"{what} did not come within {DEADLINE_S:.0f} s; {'; '.join(set(self.tally.errors))}")
            await asyncio.sleep(LOOK_S)


def _confuse(version: Path) -> None:
    """It loads, and it answers, and its answers are wrong: each word is taken for another."""
    path = version / "tokenizer.json"
    path.chmod(0o644)
    document = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = document["model"]["vocab"]
    words = [word for word in vocabulary if not word.startswith("[")]
    numbers = [vocabulary[word] for word in words]
    vocabulary |= dict(zip(words, numbers[1:] + numbers[:1], strict=True))
    path.write_text(json.dumps(document), encoding="utf-8")


def _server(root: Path) -> ProcessMark:
    mark = running_stack(root).services["triton"].mark
    if mark is None:
        raise Unavailable("Triton does not run: conch status tells what it does")
    return mark


@contextmanager
def _stack(state: Path | None) -> Iterator[Path]:
    """The state folder of the stack that runs, else of one that ends with the demo."""
    root = state or default_root()
    try:
        missing = {"edge", "rollout", "triton"} - running_stack(root).services.keys()
    except NoStack:
        own = state or root.with_name(root.name + "-demo")
        with _own_stack(own):
            yield own
    else:
        if missing:
            raise Unavailable(f"the stack in {root} runs without {', '.join(sorted(missing))}")
        yield StateFolder(root).root


@contextmanager
def _own_stack(root: Path) -> Iterator[None]:
    conch = [sys.executable, "-m", "conch.cli"]
    with err.status("starting Triton, the edge and the process that looks after models"):
        up = subprocess.run([*conch, "up", "--detach", "--state", str(root), "--only", "edge,rollout"], check=False)
    if up.returncode != 0:
        raise typer.Exit(up.returncode)
    try:
        yield
    finally:
        with err.status("stopping the stack"):
            down = subprocess.run([*conch, "down", "--state", str(root)], check=False, stdout=subprocess.DEVNULL)
        if down.returncode != 0:
            err.print(f"the stack in {root} did not stop as it should; see {root}/logs", style="red")
            raise typer.Exit(FAILED)
