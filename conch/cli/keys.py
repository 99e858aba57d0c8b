"""`conch keys`: make, list and revoke the keys that the edge asks callers for."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from conch.cli.connection import State
from conch.cli.console import err, out, print_json, reporting_errors
from conch.edge.edge import key_store
from conch.edge.files import EdgeFiles
from conch.edge.keys import Key, KeyStore
from conch.edge.tenants import DEFAULT, Tenants
from conch.stack.state import StateFolder, default_root

AsJson = Annotated[bool, typer.Option("--json", help="One object a key.")]

keys_app = typer.Typer(help="Keys that the edge asks callers for.", no_args_is_help=True)


@keys_app.command("create")
def create(
    tenant: Annotated[str, typer.Option(help="One of the tenants file.")] = DEFAULT,
    operator: Annotated[bool, typer.Option("--operator", help="May load models and change Triton's settings.")] = False,
    days: Annotated[int, typer.Option(min=1, help="So long it holds.")] = 90,
    note: Annotated[str, typer.Option(help="Shown in the list: whose it is.")] = "",
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it: it is kept nowhere, so this is the only time."""
    with reporting_errors():
        folder, store = _opened(state)
        Tenants.read(folder.root / "tenants.toml")[tenant]
        is_first = not store.signing_keys
        key, token = store.create(tenant, operator=operator, days=days, note=note)
    if as_json:
        print_json({**_told(key), "key": token})
        return
    if is_first:
        err.print("The first key: from now on the edge asks every call for one.")
    err.print(f"Key {key.id} of tenant {key.tenant}, until {_day(key.expires_at)}:")
    out.print(token, soft_wrap=True)


@keys_app.command("list")
def list_keys(state: State = None, as_json: AsJson = False) -> None:
    """Every key ever made: what is kept of it, and whether it holds."""
    with reporting_errors():
        keys = _opened(state)[1].keys
    if as_json:
        for key in keys:
            print_json(_told(key))
        return
    table = Table("id", "tenant", "operator", "state", "made", "until", "note")
    for key in keys:
        operator = "yes" if key.operator else "no"
        made, until = _day(key.created_at), _day(key.expires_at)
        table.add_row(key.id, key.tenant, operator, key.state(time.time()), made, until, escape(key.note))
    out.print(table)


@keys_app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `conch keys list` shows it.")],
    state: State = None,
) -> None:
    """End a key now; an edge that runs takes it up at once."""
    with reporting_errors():
        key = _opened(state)[1].revoke(key_id)
    err.print(f"Key {key.id} of tenant {key.tenant} is revoked.")


@keys_app.command("rotate")
def rotate(
    forget_old: Annotated[
        bool, typer.Option("--forget-old", help="Make no new one: end every key that an older one has signed.")
    ] = False,
    state: State = None,
) -> None:
    """Make a new signing key for new keys; those of the old one hold until it is forgotten."""
    with reporting_errors():
        store = _opened(state)[1]
        if forget_old:
            err.print(f"Signing keys forgotten: {store.forget_old()}.")
        else:
            err.print(f"New keys are signed with signing key {store.rotate().id}.")


def _opened(state: Path | None) -> tuple[StateFolder, KeyStore]:
    folder = StateFolder(state or default_root())
    return folder, key_store(EdgeFiles(folder.data / "edge"))


def _told(key: Key) -> Mapping[str, Any]:
    return {**asdict(key), "state": key.state(time.time())}


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
