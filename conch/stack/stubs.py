"""The python stubs of a Triton: which process serves which model, and which has died.

Triton does not notice: a model whose stub has died stays READY and refuses every request. The dead stub stays a zombie,
because Triton buries only those that it ends itself.
"""

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from conch.rollout.versions import is_candidate
from conch.stack.processes import ProcessMark, is_stopped, is_zombie

_WORDS = 4
"""At least: program, model.py, region, …, instance, and the model's runtime."""


@dataclass(frozen=True, slots=True)
class Stub:
    model: str
    version: str
    instance: str
    """As Triton names it in errors: "intent_0_0"."""

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """None for a process that is no stub. The model is told by the path of its model.py."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
        except OSError:
            return None
        if len(words) < _WORDS or Path(words[0]).name != "triton_python_backend_stub":
            return None
        version = Path(words[1]).parent
        return cls(model=version.parent.name, version=version.name, instance=words[-2])


def stubs_of(server: ProcessMark) -> dict[ProcessMark, Stub]:
    """Those that run now, the oldest first."""
    try:
        children = psutil.Process(server.pid).children()
    except psutil.NoSuchProcess:
        return {}
    found = {ProcessMark.of(child.pid): Stub.of(child.pid) for child in children}
    stubs = [(mark, stub) for mark, stub in found.items() if mark is not None and stub is not None]
    return dict(sorted(stubs, key=lambda one: one[0].start_ticks))


class Stubs:
    """`refresh()` now and then; `dead_models()` often, it is cheap."""

    def __init__(self, server: ProcessMark) -> None:
        self._server = server
        self._stubs: dict[ProcessMark, Stub] = {}
        self._suspects: set[ProcessMark] = set()
        self._retired: dict[ProcessMark, float] = {}

    @property
    def retired(self) -> set[ProcessMark]:
        return set(self._retired)

    def refresh(self) -> None:
        """Learn the stubs that run now."""
        found = stubs_of(self._server)
        self._stubs |= {mark: stub for mark, stub in found.items() if mark not in self._retired}

    def dead_models(self) -> set[str]:
        """Models of stubs that died or stood still since the last call but one; each stub is told once."""
        lost = {mark for mark in self._stubs if not mark.runs() or is_stopped(mark)}
        # A stub that Triton ends is a zombie for a moment too: only one that stays so has died.
        lasting = {mark for mark in lost & self._suspects if is_zombie(mark) or is_stopped(mark)}
        self._suspects = lost
        for mark in lasting:
            mark.end()  # a stopped stub that goes on again ends the whole server
        dead = {self._stubs[mark].model for mark in lasting}
        self._stubs = {
            mark: stub for mark, stub in self._stubs.items() if mark not in lasting and (mark.runs() or is_zombie(mark))
        }
        return dead

    def retire(self, model: str, end_at: float) -> None:
        """The model's stubs of now will be replaced: their death is no news, and at `end_at` it is certain."""
        for mark in [mark for mark, stub in self._stubs.items() if stub.model == model]:
            del self._stubs[mark]
            self._retired[mark] = end_at

    def retire_candidates(self, there: Collection[str], end_at: float) -> None:
        """Those that are not there any more: Triton does not end the stubs beside one that has died."""
        gone = {stub.model for stub in self._stubs.values() if is_candidate(stub.model)} - set(there)
        for model in gone:
            self.retire(model, end_at)

    def end_retired(self, now: float) -> None:
        for mark in [mark for mark, end_at in self._retired.items() if end_at <= now]:
            mark.end()
            del self._retired[mark]

    def rss_bytes(self) -> dict[ProcessMark, int]:
        """Of each that runs now."""
        found = {}
        for mark in self._stubs:
            with contextlib.suppress(psutil.Error):
                found[mark] = int(psutil.Process(mark.pid).memory_info().rss)
        return found

    def model_of(self, mark: ProcessMark) -> str:
        return self._stubs[mark].model

    def end_model(self, model: str) -> int:
        """How many those were; a load that waits for one of them fails, and so ends."""
        ended = [mark for mark, stub in self._stubs.items() if stub.model == model]
        for mark in ended:
            mark.end()
            del self._stubs[mark]
        return len(ended)

    def end_instance(self, instance: str) -> None:
        for mark in [mark for mark, stub in self._stubs.items() if stub.instance == instance]:
            mark.end()
            del self._stubs[mark]
