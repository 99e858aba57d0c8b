"""The python stubs of a Triton: which process serves which model, and which has died.

Triton does not notice: a model whose stub has died stays READY and refuses every request. The dead stub stays a zombie,
because Triton buries only those that it ends itself.
"""

from pathlib import Path

import psutil

from conch.stack.processes import ProcessMark, is_zombie

STUB = "triton_python_backend_stub"


class Stubs:
    """`refresh()` now and then; `dead_models()` often, it is cheap."""

    def __init__(self, server: ProcessMark) -> None:
        self._server = server
        self._models: dict[ProcessMark, str] = {}
        self._suspects: set[ProcessMark] = set()
        self._retired: dict[ProcessMark, float] = {}

    def refresh(self) -> None:
        """Learn the stubs that run now."""
        try:
            children = psutil.Process(self._server.pid).children()
        except psutil.NoSuchProcess:
            return
        for child in children:
            model, mark = model_of(child.pid), ProcessMark.of(child.pid)
            if model is not None and mark is not None and mark not in self._retired:
                self._models[mark] = model

    def dead_models(self) -> set[str]:
        """Models of stubs that died since the last call but one; each stub is told once."""
        zombies = {mark for mark in self._models if not mark.runs()}
        # A stub that Triton ends is a zombie for a moment too: only one that stays so has died.
        lasting = {mark for mark in zombies & self._suspects if is_zombie(mark)}
        self._suspects = zombies
        dead = {self._models[mark] for mark in lasting}
        for mark in zombies:
            if mark in lasting or not is_zombie(mark):
                del self._models[mark]
        return dead

    def retire(self, model: str, end_at: float) -> None:
        """The model's stubs of now will be replaced: their death is no news, and at `end_at` it is certain."""
        for mark in [mark for mark, served in self._models.items() if served == model]:
            del self._models[mark]
            self._retired[mark] = end_at

    def end_retired(self, now: float) -> None:
        for mark in [mark for mark, end_at in self._retired.items() if end_at <= now]:
            mark.end()
            del self._retired[mark]


def model_of(pid: int) -> str | None:
    """Named by its second argument, .../<model>/<version>/model.py; None for a process that is no stub."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return None
    if len(words) < 2 or Path(words[0]).name != STUB:
        return None
    return Path(words[1]).parent.parent.name
