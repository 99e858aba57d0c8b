"""`conch users forget ID`: what is kept of a user goes, and the event log says so to all who read it."""

import asyncio
import time
from typing import Annotated

import typer

from conch.cli.catalogue import Name, Redis, opened
from conch.cli.connection import State
from conch.cli.console import err
from conch.contracts.keys import DEFAULT_CATALOGUE

Events = Annotated[
    str,
    typer.Option(
        "--events", metavar="HOST:PORT", help="The event log. Default: the running stack's.", show_default=False
    ),
]

users_app = typer.Typer(help="People, as the stores know them.", no_args_is_help=True)


@users_app.command("forget")
def forget(
    user: Annotated[str, typer.Argument(metavar="ID")],
    catalogue: Name = DEFAULT_CATALOGUE,
    redis: Redis = "",
    events: Events = "",
    state: State = None,
) -> None:
    """Write a tombstone into the event log, then delete what the hot store has of the user, in both forms.

    Durable tables hold nothing of users. A list that was served stays for at most 10 minutes, under a name that does
    not tell whose it was.
    """
    # Imported here: every other command starts without them.
    from conch.cli.event_log import log_at
    from conch.clients.events import Record
    from conch.contracts.events import FORGOTTEN, Forgotten, encode

    with opened(catalogue, redis, state) as (folder, hot):
        keys = folder.keys.of_user(user)
        tombstone = Forgotten(catalogue=catalogue, user=user, time_ms=time.time_ns() // 1_000_000)
        record = Record(FORGOTTEN, tombstone.key, encode(tombstone), tombstone.time_ms)

        async def tell() -> None:
            async with log_at(events, state) as log:
                (failed,) = await log.append([record])
                if failed is not None:
                    raise failed

        # First the tombstone: what is read again from the log after this is not taken up.
        asyncio.run(tell())
        hot.delete(keys)
    err.print(f"{len(keys)} keys of the user are deleted in catalogue {catalogue}, and {FORGOTTEN} says so.")
