"""`conch models diff`: what tells two versions of a model apart."""

import difflib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from conch.cli.connection import State
from conch.cli.console import out, print_json, reporting_errors
from conch.rollout.differences import Difference, compare
from conch.rollout.folders import Folders
from conch.rollout.versions import version_number
from conch.stack.state import StateFolder, default_root

SHORT = 12
"""Of a sha256, enough for people."""


def diff(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    before: Annotated[str, typer.Argument(metavar="[FROM]", help="Default: the champion before.")] = "",
    after: Annotated[str, typer.Argument(metavar="[TO]", help="Default: the champion.")] = "",
    state: State = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One object a difference: kind, name, before, after.")
    ] = False,
) -> None:
    """Files by their sha256, config and probes line by line, lineage; needs no running stack."""
    with reporting_errors():
        versions = [version_number(text) if text else None for text in (before, after)]
        found = compare(Folders(StateFolder(state or default_root()).root), model, *versions)
    if as_json:
        for one in found.differences:
            print_json(asdict(one))
        return
    out.print(f"{model} {found.before} → {found.after}")
    for one in found.differences:
        for line in _lines(one):
            out.print(line, soft_wrap=True)


def _lines(one: Difference) -> Iterator[str]:
    if one.kind in ("config", "probes"):
        texts = (one.before.splitlines(), one.after.splitlines())
        yield from (escape(line) for line in difflib.unified_diff(*texts, one.name, one.name, lineterm="", n=1))
        return
    sides = [text[:SHORT] if one.kind == "file" else text for text in (one.before, one.after)]
    yield escape(f"{one.kind} {one.name}: {sides[0] or 'none'} → {sides[1] or 'none'}")
