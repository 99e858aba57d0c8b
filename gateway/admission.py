"""How many calls run at once: the next one is refused at once, not queued, so that waiting stays bounded."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from conch.contracts.errors import TooMuch

RETRY_AFTER_S = 1.0


class Admission:
    def __init__(self, most: int, what: str = "calls") -> None:
        self._most = most
        self._what = what
        self._running = 0

    @property
    def what(self) -> str:
        """That there may be too many of."""
        return self._what

    @property
    def running(self) -> int:
        return self._running

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        if self._running >= self._most:
            raise TooMuch(f"{self._running} {self._what} are running, at most {self._most} may", RETRY_AFTER_S)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


class Place:
    """A call's place among the running.

    While its caller still sends it stands among the arriving instead: who sends slowly keeps nobody out who does not.
    """

    def __init__(
        self,
        running: Sequence[Admission],
        arriving: Sequence[Admission],
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._running = running
        self._arriving = arriving
        self._refused = refused
        self._held = contextlib.ExitStack()

    @contextlib.contextmanager
    def among_the_running(self) -> Iterator[None]:
        try:
            self.run()
            yield
        finally:
            self._held.close()

    def run(self) -> None:
        """Raises TooMuch where as many run as may."""
        self._move_to(self._running)

    def arrive(self) -> None:
        self._move_to(self._arriving)

    def _move_to(self, admissions: Sequence[Admission]) -> None:
        self._held.close()
        with contextlib.ExitStack() as taken:
            for admission in admissions:
                try:
                    taken.enter_context(admission.admitted())
                except TooMuch:
                    self._refused(admission.what)
                    raise
            self._held = taken.pop_all()
