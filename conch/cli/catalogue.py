"""`conch catalogue`: make a catalogue up, or bring one in from files."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from conch.cli.connection import State, needing_a_stack
from conch.cli.console import FAILED, err, print_json, reporting_errors
from conch.contracts.errors import Unavailable
from conch.contracts.keys import DEFAULT_CATALOGUE
from conch.stack.state import StateFolder, default_root, running_stack
from conch.stores.catalogue_folder import CATALOGUES, CatalogueFolder
from conch.stores.features import HotFeatures
from conch.stores.redis_features import RedisFeatures

RELATED = 100

SHOWN = 20
"""Bad rows."""

BULK_DEADLINE_S = 30.0
"""Of a pipeline of hundreds of writes."""

Name = Annotated[str, typer.Option("--catalogue", metavar="NAME", help="The tenant that owns it.")]
Redis = Annotated[
    str, typer.Option("--redis", metavar="HOST:PORT", help="Default: the running stack's.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="One object.")]

catalogue_app = typer.Typer(help="Catalogues that recommendations come from.", no_args_is_help=True)


@catalogue_app.command("generate")
def make_up(
    masters: Annotated[int, typer.Option(help="Products; each has one or more offers.")] = 2_000,
    seed: Annotated[int, typer.Option(help="The same makes the same.")] = 0,
    catalogue: Name = DEFAULT_CATALOGUE,
    relations: Annotated[
        bool, typer.Option("--relations", help="Relations of hot masters too, without a model.")
    ] = False,
    related: Annotated[int, typer.Option(help="Of a hot master, with --relations.")] = RELATED,
    users: Annotated[int, typer.Option(help="0: one for ten masters, at least 500.")] = 0,
    hot: Annotated[int, typer.Option(help="Masters that stand in Redis; 0: one in ten, at least 2000.")] = 0,
    redis: Redis = "",
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Make a catalogue up: goods, sellers, promos, shoppers, and all that follows from what they do."""
    # Imported here: who has not the extra `recommendation` has the other commands.
    from conch.catalogue.generating import generate
    from conch.catalogue.made import Order

    with opened(catalogue, redis, state) as (folder, features):
        order = Order(masters, seed, users, hot, related if relations else 0)
        with err.status("beginning") as status:
            report = generate(folder, features, order, lambda stage: status.update(stage))
    if as_json:
        print_json(asdict(report))
        return
    err.print(
        f"Catalogue {catalogue} has {report.masters:,} masters with {report.pids:,} offers in {report.categories:,}"
        f" categories; {report.users:,} shoppers looked {report.views:,} times. It took {report.took_s:.1f} s.",
        markup=False,
        soft_wrap=True,
    )


@catalogue_app.command("import")
def bring_in_files(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="CSV, JSONL, YAML or Parquet; categories* holds categories.")
    ],
    columns: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Which columns say what; default: the usual names.")
    ] = None,
    catalogue: Name = DEFAULT_CATALOGUE,
    redis: Redis = "",
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Bring products in from files, or bring them up to date: ids stay. Bad rows are told, good ones kept."""
    from conch.catalogue.columns import Columns
    from conch.catalogue.importing import bring_in

    with opened(catalogue, redis, state) as (folder, features):
        known = Columns.read(columns)
        with err.status("beginning") as status:
            report = bring_in(folder, features, files, known, lambda stage: status.update(escape(stage)))
    if as_json:
        bad = [{"file": row.place.file, "line": row.place.line, "reason": row.reason} for row in report.bad]
        print_json({**asdict(report), "bad": bad})
    else:
        for row in report.bad[:SHOWN]:
            err.print(f"{row.place}: {row.reason}", markup=False, soft_wrap=True)
        if report.bad_rows > SHOWN:
            err.print(f"… {report.bad_rows - SHOWN:,} more bad rows; the first {len(report.bad):,} with --json")
        err.print(
            f"Catalogue {catalogue} took {report.kept:,} of {report.rows:,} rows, about {report.masters:,} masters"
            f" ({report.new_masters:,} new) in {report.categories:,} categories. It took {report.took_s:.1f} s.",
            markup=False,
            soft_wrap=True,
        )
    if report.bad_rows and not report.kept:
        raise typer.Exit(FAILED)


@contextmanager
def opened(catalogue: str, redis: str, state: "State") -> Iterator[tuple[CatalogueFolder, HotFeatures]]:
    """The catalogue's folder and its Redis; exits 3 where neither a stack runs nor --redis is given."""

    # Imported here: who has not the extra `recommendation` has the other commands.
    from conch.features.plain import features_of

    with reporting_errors(), needing_a_stack():
        folder = CatalogueFolder.of(StateFolder(state or default_root()).root / CATALOGUES, catalogue)
        with closing(RedisFeatures(redis or _redis_of_stack(state), deadline_s=BULK_DEADLINE_S)) as features:
            yield folder, features_of(folder, features)


def _redis_of_stack(state: "State") -> str:
    services = running_stack(state).services
    if "redis" not in services:
        raise Unavailable("the stack runs without a Redis; give another by --redis HOST:PORT")
    return services["redis"].addresses["redis"]


if __name__ == "__main__":
    # In a container that has not what other commands need.
    catalogue_app()
