"""`conch relations build`: which goods are like which, by what their titles mean."""

import re
import time
from contextlib import closing
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from conch.cli.catalogue import BULK_DEADLINE_S, AsJson, Name, Redis, opened
from conch.cli.connection import State
from conch.cli.console import err, print_json
from conch.contracts.errors import InvalidRequest, Unavailable
from conch.contracts.keys import DEFAULT_CATALOGUE
from conch.stack.state import running_stack

UNITS_S = {"m": 60, "h": 3_600, "d": 86_400}

STAGES = {"embed": "titles embedded", "index": "vectors indexed", "relate": "masters related"}

relations_app = typer.Typer(help="Relations between goods.", no_args_is_help=True)


@relations_app.callback()
def relations() -> None:
    """Relations between goods."""


@relations_app.command("build")
def build_relations(
    catalogue: Name = DEFAULT_CATALOGUE,
    everything: Annotated[bool, typer.Option("--all", help="Of all that is offered, not of hot goods alone.")] = False,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Hot is what somebody looked at since, as 12h or 30d.")
    ] = "30d",
    incremental: Annotated[bool, typer.Option("--incremental", help="Of new goods and changed titles alone.")] = False,
    triton: Annotated[
        str, typer.Option("--triton", metavar="HOST:PORT", help="Default: the running stack's.", show_default=False)
    ] = "",
    redis: Redis = "",
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Embed titles, index them, and write of each master those that mean the most alike. A killed run goes on."""
    # Imported here: who has not the extra `recommendation` has the other commands.
    from batch.relations import Order, Places, build
    from conch.clients.triton import TritonInference
    from conch.stores.durable import new_relations_of

    with opened(catalogue, redis, state) as (folder, features):
        since_ms = time.time_ns() // 1_000_000 - 1_000 * seconds_of(since)
        order = Order(everything, since_ms, incremental)
        asked = partial(TritonInference, triton or _triton_of_stack(state))
        with closing(new_relations_of(folder, deadline_s=BULK_DEADLINE_S)) as durable, _progress() as progress:
            report = build(Places(folder, features, durable, asked), order, _Bars(progress).tell)
    if as_json:
        print_json(asdict(report))
        return
    err.print(
        f"Catalogue {catalogue}: {report.related:,} of {report.chosen:,} masters related, {report.embedded:,} titles"
        f" embedded by embedding {report.embedding}, {report.indexed:,} in the index.",
        markup=False,
        soft_wrap=True,
    )


def seconds_of(duration: str) -> int:
    """As "12h". Raises InvalidRequest."""
    found = re.fullmatch(r"([0-9]{1,5})([mhd])", duration)
    if found is None:
        raise InvalidRequest(f"a time is {duration[:40]!r}, it is a number and one of m, h and d, as 12h")
    return int(found[1]) * UNITS_S[found[2]]


class _Bars:
    """One a stage, from its first word on."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def tell(self, stage: str, done: int, total: int) -> None:
        if stage not in self._bars:
            self._bars[stage] = self._progress.add_task(STAGES[stage], total=total)
        self._progress.update(self._bars[stage], completed=done)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def _triton_of_stack(state: State) -> str:
    services = running_stack(state).services
    if "triton" not in services:
        raise Unavailable("the stack runs without a Triton; give another by --triton HOST:PORT")
    return services["triton"].addresses["grpc"]
