"""Rows of CSV, JSON lines, YAML and Parquet, each with the place where it stands.

A row that cannot be read is a Bad one, and the next follows. Files are read as they come, in bounded memory; YAML alone
is read whole.
"""

import csv
import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import duckdb
import yaml

from conch.contracts.errors import InvalidRequest

LARGEST_ROW = 1 << 20
"""Bytes."""

LARGEST_YAML = 256 << 20
"""Bytes."""

CSV = "csv"

DELIMITERS: Mapping[str, str] = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
"""Of CSV, with their names: those among which a header decides."""

_QUOTED = re.compile(r'(^|[,;\t])"(?:[^"]|"")*(?:"|$)')
"""A cell, whichever sign divides it from the one before."""

AT_ONCE = 5_000

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Place:
    file: str
    line: int
    """From 1; of Parquet the number of the row, of a file that cannot be read at all 0."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Found:
    place: Place
    values: Values
    delimiter: str = ""
    """That its cells are divided by; empty where they are not."""


@dataclass(frozen=True, slots=True)
class Bad:
    place: Place
    reason: str


def rows_of(path: Path, delimiter: str = "") -> Iterator[Found | Bad]:
    """`delimiter` is that of CSV; empty: the header's first line decides, among DELIMITERS. Raises InvalidRequest for a
    file that is not there or of no kind that we read."""
    if path.is_dir():
        raise InvalidRequest(f"{path.name} is a folder: name the files in it")
    kind = path.suffix.lower().lstrip(".")
    if kind != CSV and kind not in _READERS:
        raise InvalidRequest(f"{path.name} is no {', '.join(sorted([CSV, *_READERS]))}")
    if not path.is_file():
        raise InvalidRequest(f"{path} is no file")
    return _csv(path, delimiter) if kind == CSV else _READERS[kind](path)


def _csv(path: Path, delimiter: str) -> Iterator[Found | Bad]:
    header: list[str] | None = None
    with path.open("rb") as file:
        first, lines = _first(_lines(file))
        found = [delimiter] if delimiter else _delimiters(first)
        if len(found) > 1:
            yield Bad(Place(path.name, first[0]), _undecided(found))
            return
        for line, cells in _records(lines, found[0]):
            place = Place(path.name, line)
            if isinstance(cells, Bad):
                yield Bad(place, cells.reason)
                if header is None:
                    return
            elif header is None and cells:
                header = [cell.strip() for cell in cells]
                twice = sorted({name for name in header if header.count(name) > 1})
                if twice:
                    yield Bad(place, f"the header has {', '.join(twice)} more than once")
                    return
            elif header is not None and cells:
                if len(cells) == len(header):
                    yield Found(place, dict(zip(header, cells, strict=True)), found[0])
                else:
                    yield Bad(place, f"it has {len(cells)} cells, the header {len(header)}")


def _first(lines: Iterator["Text"]) -> tuple["Text", Iterator["Text"]]:
    """The first line that is not empty, and the lines from there."""
    for line, text in lines:
        if isinstance(text, Bad) or text.strip():
            return (line, text), chain([(line, text)], lines)
    return (0, ""), iter(())


def _delimiters(header: "Text") -> Sequence[str]:
    """By which it has more than one cell; a comma where there is none."""
    _, text = header
    if isinstance(text, Bad):
        return [","]
    bare = _QUOTED.sub(r"\1", text.strip())
    return [one for one in DELIMITERS if one in bare] or [","]


def _undecided(delimiters: Sequence[str]) -> str:
    names = " and ".join(DELIMITERS[one] for one in delimiters)
    return f"cells of the header may be divided by {names}: say `delimiter` in a file of columns"


def _jsonl(path: Path) -> Iterator[Found | Bad]:
    with path.open("rb") as file:
        for line, text in _lines(file):
            place = Place(path.name, line)
            if isinstance(text, Bad):
                yield Bad(place, text.reason)
            elif text.strip():
                yield _object(place, text)


def _object(place: Place, text: str) -> Found | Bad:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Bad(place, f"it is no JSON: {error}")
    return Found(place, values) if isinstance(values, dict) else Bad(place, "it is no JSON object")


def _yaml(path: Path) -> Iterator[Found | Bad]:
    size = path.stat().st_size
    if size > LARGEST_YAML:
        yield Bad(Place(path.name, 0), f"YAML of {size} bytes, at most {LARGEST_YAML}: write it as JSON lines")
        return
    with path.open("rb") as file:
        # In C where PyYAML was built so: ten times as fast.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(file)
        try:
            node = loader.get_single_node()
            if not isinstance(node, yaml.SequenceNode):
                yield Bad(Place(path.name, 1), "it is no list of rows")
                return
            for item in node.value:
                yield _item(loader, item, Place(path.name, item.start_mark.line + 1))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            yield Bad(
                Place(path.name, mark.line + 1 if mark else 0), f"it is no YAML: {getattr(error, 'problem', error)}"
            )
        finally:
            loader.dispose()


def _item(loader: yaml.SafeLoader, item: yaml.Node, place: Place) -> Found | Bad:
    size = item.end_mark.index - item.start_mark.index
    if size > LARGEST_ROW:
        return Bad(place, f"it has {size} bytes, at most {LARGEST_ROW}")
    try:
        values = loader.construct_object(item, deep=True)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        return Bad(place, f"it is no YAML: {getattr(error, 'problem', error)}")
    if not isinstance(values, dict):
        return Bad(place, "it is no mapping")
    return Found(place, {str(name): value for name, value in values.items()})


def _parquet(path: Path) -> Iterator[Found | Bad]:
    """Read by DuckDB."""
    row = 0
    try:
        with duckdb.connect(config={"threads": 1}) as database:
            cursor = database.execute(f"SELECT {_wanted(database, path)} FROM read_parquet(?)", [str(path)])
            names = [column[0] for column in cursor.description or ()]
            while page := cursor.fetchmany(AT_ONCE):
                for values in page:
                    row += 1
                    yield _sized(Found(Place(path.name, row), dict(zip(names, values, strict=True))))
    except duckdb.Error as error:
        reason = str(error).splitlines()[0].replace(str(path), path.name)
        yield Bad(Place(path.name, row), f"it is no Parquet: {reason}")


def _wanted(database: duckdb.DuckDBPyConnection, path: Path) -> str:
    """All columns. Times of a zone are texts: DuckDB needs another package to make more of them."""
    columns = database.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    zoned = [name.replace('"', '""') for name, kind, *_ in columns if "TIME ZONE" in kind]
    texts = ", ".join(f'CAST("{name}" AS VARCHAR) AS "{name}"' for name in zoned)
    return f"* REPLACE ({texts})" if zoned else "*"


def _sized(found: Found) -> Found | Bad:
    size = sum(len(value) for value in found.values.values() if isinstance(value, str | bytes))
    return Bad(found.place, f"it has {size} bytes, at most {LARGEST_ROW}") if size > LARGEST_ROW else found


Text = tuple[int, "str | Bad"]
"""A line with its number."""


def _records(lines: Iterator[Text], delimiter: str) -> Iterator[tuple[int, "list[str] | Bad"]]:
    """Cells of each record of CSV, which goes over as many lines as a quoted cell does; none of an empty line."""
    # A cell may be as long as a row.
    csv.field_size_limit(LARGEST_ROW)
    feed = _Feed(lines)
    while (begin := feed.begin()) is not None:
        line, text = begin
        if isinstance(text, Bad):
            yield line, text
            continue
        try:
            cells = next(csv.reader(chain([text], feed), delimiter=delimiter))
        except csv.Error as error:
            yield line, Bad(Place("", line), f"it is no CSV: {error}")
        except _NeverClosed:
            # What follows a quote that somebody forgot may be good rows.
            feed.give_back()
            yield line, Bad(Place("", line), "a quote is left open")
        else:
            yield line, cells


class _NeverClosed(Exception):
    """A quoted cell goes on to the end of the file, to a line that cannot be read, or beyond LARGEST_ROW."""


class _Feed:
    """Lines of one record after another: the reader of CSV takes as many as belong to one."""

    def __init__(self, lines: Iterator[Text]) -> None:
        self._lines = lines
        self._again = deque[Text]()
        self._taken: list[Text] = []

    def begin(self) -> Text | None:
        """The first line of the next record; None after the last."""
        self._taken = []
        return self._next()

    def give_back(self) -> None:
        """All lines of the record but its first."""
        self._again.extendleft(reversed(self._taken))

    def __iter__(self) -> Iterator[str]:
        size = 0
        while (more := self._next()) is not None:
            self._taken.append(more)
            _, text = more
            if isinstance(text, Bad) or (size := size + len(text)) > LARGEST_ROW:
                break
            yield text
        raise _NeverClosed

    def _next(self) -> Text | None:
        return self._again.popleft() if self._again else next(self._lines, None)


def _lines(file: BinaryIO) -> Iterator[tuple[int, "str | Bad"]]:
    line = 0
    while data := file.readline(LARGEST_ROW + 1):
        line += 1
        if len(data) > LARGEST_ROW:
            size = len(data)
            while not data.endswith(b"\n") and (data := file.readline(LARGEST_ROW)):
                size += len(data)
            yield line, Bad(Place("", line), f"it has {size} bytes, at most {LARGEST_ROW}")
            continue
        try:
            yield line, data.decode("utf-8-sig" if line == 1 else "utf-8")
        except UnicodeDecodeError as error:
            yield line, Bad(Place("", line), f"it is no UTF-8: {error.reason} at byte {error.start}")


_READERS: Mapping[str, Callable[[Path], Iterator[Found | Bad]]] = {
    "jsonl": _jsonl,
    "ndjson": _jsonl,
    "yaml": _yaml,
    "yml": _yaml,
    "parquet": _parquet,
}
