"""`conch models watch`: the models as they change, in a live table or line by line."""

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from conch.cli.connection import Key, State
from conch.cli.console import out, print_json, reporting_errors
from conch.cli.remote import Ca, Url, models_at
from conch.clients.edge.models import ModelAction, ModelGone, ModelStatus, Watched, Watching, to_action, to_status
from conch.rollout.folders import Folders
from conch.rollout.rpc.wire import to_action as action_message
from conch.rollout.rpc.wire import to_model
from conch.rollout.shown import shown
from conch.rollout.tail import JournalTail
from conch.stack.state import StateFolder, default_root

LOOK_S = 0.3
LAST = 12
"""Actions below the table."""


def watch(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="Default: every one.")] = "",
    state: State = None,
    url: Url = "",
    key: Key = "",
    ca: Ca = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object a line: kind, and what it tells.")] = False,
) -> None:
    """How every model stands and what is done, until Ctrl-C."""
    with reporting_errors(), contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as open_client:
        if url:
            client = open_client.enter_context(models_at(url, key, ca))
            events: Iterator[Watched] = client.watch(model)
        else:
            events = watched_here(Folders(StateFolder(state or default_root()).root), model)
        if as_json:
            for event in events:
                print_json(told(event))
            return
        _show(events)


def watched_here(folders: Folders, model: str, look_s: float = LOOK_S) -> Iterator[Watched]:
    """As Models.Watch tells it, from the files of a state folder on this machine."""
    tail = JournalTail.at_the_end(folders.journal.path)
    before: dict[str, ModelStatus] = {}
    first = True
    while True:
        for line in tail.read():
            if model in ("", line.model):
                yield to_action(action_message(line))
        now = {one.name: to_status(to_model(one)) for one in shown(folders) if model in ("", one.name)}
        yield from (one for name, one in now.items() if before.get(name) != one)
        yield from (ModelGone(name) for name in before.keys() - now.keys())
        if first:
            yield Watching()
        before, first = now, False
        time.sleep(look_s)


def told(event: Watched) -> dict[str, object]:
    kinds = {ModelStatus: "model", ModelAction: "action", ModelGone: "gone", Watching: "watching"}
    return {"kind": kinds[type(event)], **asdict(event)}


def _show(events: Iterator[Watched]) -> None:
    models: dict[str, ModelStatus] = {}
    actions: deque[ModelAction] = deque(maxlen=LAST)
    with Live(_table(models, actions), console=out, auto_refresh=False) as live:
        for event in events:
            match event:
                case ModelStatus():
                    models[event.name] = event
                case ModelAction():
                    actions.append(event)
                case ModelGone():
                    models.pop(event.name, None)
            live.update(_table(models, actions), refresh=True)


def _table(models: dict[str, ModelStatus], actions: deque[ModelAction]) -> Group:
    table = Table("model", "champion", "loaded", "on disk", "others", "refused")
    for name, one in sorted(models.items()):
        others = ", ".join(f"{alias} {version}" for alias, version in one.aliases.items() if alias != "champion")
        on_disk = [str(version.number) for version in one.versions if version.number not in one.serving]
        refused = f"{one.refused[-1].version}: {one.refused[-1].reason}" if one.refused else ""
        loaded = ", ".join(map(str, one.serving)) or ("on demand" if one.champion else "")
        cells = (str(one.champion or "-"), loaded, ", ".join(on_disk), others, refused)
        table.add_row(escape(name), *(escape(cell) or "-" for cell in cells))
    lines = [Text(f"{one.at[11:19]} {one.model} {one.version or ''} {one.action} {_why(one)}") for one in actions]
    return Group(table, *lines)


def _why(action: ModelAction) -> str:
    return str(action.evidence.get("reason") or action.evidence.get("note") or "")
