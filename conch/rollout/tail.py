"""Read on in the journal: what was added since the last look, by whichever process."""

from pathlib import Path

from conch.rollout.journal import Line, read_line

MOST_BYTES = 2**20
"""Of one look."""


class JournalTail:
    def __init__(self, path: Path, offset: int = 0) -> None:
        self._path = path
        self._offset = offset

    @classmethod
    def at_the_end(cls, path: Path) -> "JournalTail":
        return cls(path, path.stat().st_size if path.is_file() else 0)

    def read(self) -> list[Line]:
        """Whole lines alone: one that is being written is read the next time."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read(MOST_BYTES)
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        texts = whole.decode("utf-8", errors="replace").split("\n")
        return [line for text in texts if (line := read_line(text)) is not None]
