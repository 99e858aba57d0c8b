"""`conch experiments`: what each variant has done so far, and who was exposed to it."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from conch.cli.catalogue import AsJson, Name, Redis, opened
from conch.cli.connection import State, needing_a_stack
from conch.cli.console import err, out, print_json, reporting_errors
from conch.cli.users import Events
from conch.contracts.errors import InvalidRequest
from conch.contracts.keys import DEFAULT_CATALOGUE

if TYPE_CHECKING:
    from conch.contracts.events import AnyEvent
    from conch.recommendation.outcomes import VariantReport

READ_S = 60.0
"""For all of the log."""

AT_ONCE = 1_000
"""Users whose exposures are written together."""

experiments_app = typer.Typer(help="Experiments on recommendations.", no_args_is_help=True)


@experiments_app.callback()
def experiments() -> None:
    """Experiments on recommendations."""


@experiments_app.command("report")
def report(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Events as JSON Lines. Default: the whole event log.")
    ] = None,
    control: Annotated[str, typer.Option("--control", metavar="V", help="What others are compared with.")] = "",
    effect: Annotated[
        float, typer.Option("--effect", min=0.001, help="Size of differences to look for, as a share of the control's.")
    ] = 0.1,
    by_segment: Annotated[
        bool, typer.Option("--by-segment", help="New and returning users apart, each by its own control.")
    ] = False,
    events: Events = "",
    state: State = None,
    json: Annotated[bool, typer.Option("--json", help="One object a variant, or a variant of a segment.")] = False,
) -> None:
    """Print CTR, conversion, revenue, session time and bounce by variant, with intervals that hold at every look.

    `holdout` is a variant of its own: who sees what the control sees, and is outside of the experiment.
    """
    from conch.recommendation.outcomes import report as report_of
    from conch.recommendation.outcomes import report_by_segment
    from conch.recommendation.scenarios import Scenarios

    with reporting_errors(), needing_a_stack():
        found = list(_of_file(file)) if file is not None else list(_of_log(events, state))
        name = control or Scenarios.read().experiment.control
        variants = (report_by_segment if by_segment else report_of)(found, name, effect)
    if json:
        for variant in variants:
            print_json(asdict(variant))
        return
    if not variants:
        err.print("no impression was tracked: nobody has been exposed to a variant yet")
    else:
        out.print(_table(variants))


@experiments_app.command("restore")
def restore(
    since: Annotated[datetime, typer.Option("--since", help="When the experiment began, in UTC.", show_default=False)],
    catalogue: Name = DEFAULT_CATALOGUE,
    scenarios: Annotated[
        Path | None,
        typer.Option(
            "--scenarios", metavar="FILE", envvar="CONCH_GATEWAY_SCENARIOS", help="The gateway's. Default: ours."
        ),
    ] = None,
    redis: Redis = "",
    events: Events = "",
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Tell Redis of first exposures as the event log has them: after it was emptied, or away while users were exposed.

    May be done at any time, and again: the earliest exposure stands.
    """
    from conch.recommendation.outcomes import first_exposures
    from conch.recommendation.scenarios import DEFAULT_FILE, Scenarios
    from conch.stores.exposures import Exposures

    since_ms = round(since.replace(tzinfo=UTC).timestamp() * 1000)
    with opened(catalogue, redis, state) as (folder, hot):
        experiment = Scenarios.read(scenarios or DEFAULT_FILE).experiment
        if not experiment.segments:
            raise InvalidRequest(f"experiment {experiment.name!r} has no segments: no exposure is kept for it")
        found = list(first_exposures(_of_log(events, state), experiment.name, catalogue, since_ms).items())
        store = Exposures(folder.keys, hot)
        written = sum(store.tell(dict(found[at : at + AT_ONCE])) for at in range(0, len(found), AT_ONCE))
    if as_json:
        print_json({"experiment": experiment.name, "exposed": len(found), "written": written})
    else:
        err.print(f"{len(found):,} users were exposed to {experiment.name}; of {written:,} Redis did not know")


def _of_file(file: Path) -> Iterator["AnyEvent"]:
    from conch.contracts.events import decode

    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield decode(line)
            except InvalidRequest as error:
                raise InvalidRequest(f"{file}, line {number}: {error.message}") from error


def _of_log(events: str, state: Path | None) -> Iterator["AnyEvent"]:
    """Without those of users who are forgotten; what cannot be read is counted."""
    from conch.cli.event_log import events_address
    from conch.clients.kafka import KafkaEventLog
    from conch.contracts.events import EVENTS, FORGOTTEN, decode, decode_forgotten

    log = KafkaEventLog(events_address(events, state))
    tombstones = [decode_forgotten(record.value) for record in log.read(FORGOTTEN, READ_S)]
    forgotten = {one.key: one.time_ms for one in tombstones}
    unreadable = 0
    for record in log.read(EVENTS, READ_S):
        try:
            event = decode(record.value)
        except InvalidRequest:
            unreadable += 1
            continue
        if event.time_ms > forgotten.get(f"{event.catalogue}:{event.user}", -1):
            yield event
    if unreadable:
        err.print(f"{unreadable:,} records are no events and were passed over")


def _table(variants: list["VariantReport"]) -> Table:
    by_segment = any(variant.segment for variant in variants)
    first = ["segment"] if by_segment else []
    names = [*first, "variant", "users", "metric", "value", "difference", "from", "to", "p"]
    table = Table(*names, box=None, pad_edge=False)
    for variant in variants:
        for name, metric in variant.metrics.items():
            row = [variant.segment] if by_segment else []
            row += [variant.variant, f"{variant.users:,}", name, f"{metric.value:.4g}"]
            if (one := metric.difference) is not None:
                row += [f"{one.value:+.4g}", f"{one.low:+.4g}", f"{one.high:+.4g}", f"{one.p:.2g}"]
            table.add_row(*row)
    return table
