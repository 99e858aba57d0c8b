"""`conch recommend` and `conch track`: what a shopper may like, and what shoppers did."""

import json as json_format
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from textwrap import wrap
from types import MappingProxyType
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from conch.cli.connection import Key, State, connected
from conch.cli.console import FAILED, err, out, print_json
from conch.cli.titles import titles_of
from conch.contracts.errors import InvalidRequest
from conch.contracts.keys import DEFAULT_CATALOGUE
from conch.contracts.recommendation import Item, Recommendation, Tracked, Wish
from conch.stack.state import StateFolder, default_root
from conch.stores.catalogue_folder import CATALOGUES, CatalogueFolder

NO_TITLES: Mapping[str, str] = MappingProxyType({})

AT_ONCE = 500
"""Events of one call."""


def recommend(
    user: Annotated[str, typer.Option("--user", metavar="U", help="Whose tastes; none: nobody we know.")] = "",
    item: Annotated[str, typer.Option("--item", metavar="PID", help="A pid or a master that is looked at.")] = "",
    category: Annotated[str, typer.Option("--category", metavar="C", help="Its key, alias or name.")] = "",
    widget: Annotated[str, typer.Option("--widget", metavar="W", help="Of the scenarios; none: the first.")] = "",
    k: Annotated[int, typer.Option("-k", metavar="N", help="How many; 0: the widget's.")] = 0,
    variant: Annotated[str, typer.Option("--variant", metavar="V", help="None: assigned by the user.")] = "",
    explain: Annotated[str, typer.Option("--explain", metavar="ID", help="Where it came from, or why not.")] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Promos are read anew from the store.")] = False,
    catalogue: Annotated[
        str, typer.Option("--catalogue", metavar="NAME", help="Whose titles are shown, if they are here.")
    ] = DEFAULT_CATALOGUE,
    state: State = None,
    key: Key = "",
    json: Annotated[bool, typer.Option("--json", help="One object.")] = False,
) -> None:
    """Print a ranked list with its reasons."""
    wish = Wish(user, item, category, widget, k, (), variant, strict, explain=explain)
    with connected(state, key) as gateway:
        answer = gateway.recommend(wish)
    if json:
        print_json(asdict(answer))
        return
    folder = CatalogueFolder.of(StateFolder(state or default_root()).root / CATALOGUES, catalogue)
    reasons = [item.provenance.because_master for item in answer.items]
    titles = titles_of(folder, [*(item.master for item in answer.items), *reasons])
    out.print(table_of(answer, titles))
    variant_told = f"variant {answer.variant}" + (f" of {answer.segment} users" if answer.segment else "")
    told = [variant_told, *([f"fallback: {answer.fallback}"] if answer.fallback else [])]
    told += [f"degraded: {text}" for text in answer.degraded]
    if answer.explanation is not None:
        told.append(f"{answer.explanation.item}: {answer.explanation.state} ({answer.explanation.detail})")
    for line in told:
        err.print(line, markup=False, soft_wrap=True)


def track(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSON Lines, as docs/events.schema.json says; - is stdin.")
    ],
    state: State = None,
    key: Key = "",
    json: Annotated[bool, typer.Option("--json", help="One object.")] = False,
) -> None:
    """Send events to the event log; exits 1 where some were refused."""
    with connected(state, key) as gateway:
        accepted, refused = 0, list[dict[str, Any]]()
        lines = _events(file)
        while chunk := list(islice(lines, AT_ONCE)):
            tracked: Tracked = gateway.track([fields for _, fields in chunk])
            accepted += tracked.accepted
            refused += [{"line": chunk[one.index][0], "reason": one.reason} for one in tracked.refused]
    if json:
        print_json({"accepted": accepted, "refused": refused})
    else:
        err.print(f"{accepted:,} events are in the log")
        for one in refused:
            err.print(f"line {one['line']}: {one['reason']}", markup=False, soft_wrap=True)
    if refused:
        raise typer.Exit(FAILED)


def _events(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """With their lines' numbers. Raises InvalidRequest."""
    try:
        text = sys.stdin if str(file) == "-" else file.open(encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}") from error
    with text:
        for number, line in enumerate(text, start=1):
            if line.strip():
                yield number, event_in(line, number)


def event_in(line: str, number: int) -> dict[str, Any]:
    """Of one line; `catalogue` is left out, since it is the caller's own. Raises InvalidRequest."""
    try:
        fields = json_format.loads(line)
    except ValueError as error:
        raise InvalidRequest(f"line {number} is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise InvalidRequest(f"line {number} is no object")
    return {name: value for name, value in fields.items() if name != "catalogue"}


def table_of(answer: Recommendation, titles: Mapping[str, str]) -> Table:
    """Of each item its title, as far as it is known, above its pid, which is whole however narrow the screen."""
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    # What may not be wrapped keeps its width while the others give way.
    table.add_column("item", no_wrap=True)
    for head in ("score", "price"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("because")
    for rank, item in enumerate(answer.items, start=1):
        called = Text("\n".join([*wrap(titles.get(item.master, ""), len(item.pid)), item.pid]))
        table.add_row(str(rank), called, f"{item.score:.3f}", f"{item.price:.2f}", Text(why(item, titles)))
    return table


def why(item: Item, titles: Mapping[str, str] = NO_TITLES) -> str:
    """One line."""
    reason = item.provenance
    because = titles.get(reason.because_master, reason.because_master) or reason.because_category
    words = [", ".join(reason.sources) + (f" of {because}" if because else ""), *reason.changes]
    return "; ".join(word.replace("_", " ") if word in reason.changes else word for word in words if word)
