"""`conch models history`: what was done to a model, and why."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from conch.cli.connection import State
from conch.cli.console import out, print_json, reporting_errors
from conch.contracts.errors import NotFound
from conch.rollout.folders import Folders
from conch.rollout.journal import Line
from conch.rollout.versions import model_name
from conch.stack.state import StateFolder, default_root


def history(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    state: State = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One object an action: at, action, model, version, evidence.")
    ] = False,
) -> None:
    """Every promotion, rollback, refusal and recovery, the oldest first; needs no running stack."""
    with reporting_errors():
        lines = _lines(model, state)
        if as_json:
            for line in lines:
                print_json(line.to_json())
            return
        table = Table("when", "action", "version", "evidence")
        for line in lines:
            evidence = ", ".join(f"{name} {value}" for name, value in line.evidence.items() if value not in ("", None))
            table.add_row(line.at[:19], line.action, str(line.version or "-"), escape(evidence))
        out.print(table)


def _lines(model: str, state: Path | None) -> list[Line]:
    root = StateFolder(state or default_root()).root
    lines = Folders(root).journal.lines(model_name(model))
    if not lines:
        raise NotFound(f"nothing was ever published of model {model} in {root}")
    return lines
