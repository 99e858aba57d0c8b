"""`conch users forget ID`: what is kept of a user goes, and the event log says so to all who read it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from conch.cli.catalogue import AsJson, Name, Redis, opened
from conch.cli.connection import State
from conch.cli.console import FAILED, err, print_json
from conch.contracts.keys import DEFAULT_CATALOGUE

if TYPE_CHECKING:
    from conch.cli.erasure import Erased
    from conch.clients.privacy import Privacy

Events = Annotated[
    str,
    typer.Option(
        "--events", metavar="HOST:PORT", help="The event log. Default: the running stack's.", show_default=False
    ),
]
AnalyticsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", envvar="CONCH_GATEWAY_ANALYTICS_FILE", help="Where the gateway writes exposures and outcomes."
    ),
]
AmplitudeKey = Annotated[
    str,
    typer.Option(metavar="KEY", envvar="CONCH_GATEWAY_AMPLITUDE_KEY", help="Of the project that is told of users."),
]
AmplitudeSecret = Annotated[
    str, typer.Option(metavar="KEY", envvar="CONCH_AMPLITUDE_SECRET", help="The project's secret key: it may delete.")
]
PrivacyUrl = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="CONCH_AMPLITUDE_PRIVACY_URL",
        help="Amplitude's User Privacy API, where it is not that of the United States.",
        show_default=False,
    ),
]

NO_SECRET = "Amplitude: what it was told stays there: its project's secret key is not given (CONCH_AMPLITUDE_SECRET)"

users_app = typer.Typer(help="People, as the stores know them.", no_args_is_help=True)


@users_app.command("forget")
def forget(
    user: Annotated[str, typer.Argument(metavar="ID")],
    catalogue: Name = DEFAULT_CATALOGUE,
    redis: Redis = "",
    events: Events = "",
    analytics_file: AnalyticsFile = None,
    amplitude_key: AmplitudeKey = "",
    amplitude_secret: AmplitudeSecret = "",
    amplitude_privacy_url: PrivacyUrl = "",
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Write a tombstone into the event log, then delete what Redis, the analytics file and Amplitude have of the user.

    Durable tables, rollups and snapshots hold nothing of users. The log's own records stay for as long as it keeps any;
    whoever reads it leaves them out. Exits 1 where something is left to delete; it may be asked for again.
    """
    # Imported here: every other command starts without them.
    from conch.cli.erasure import Erased, Erasure
    from conch.cli.event_log import log_at
    from conch.clients.analytics import FileAnalytics

    with opened(catalogue, redis, state) as (folder, hot):
        file = FileAnalytics(analytics_file) if analytics_file is not None else None

        async def erased() -> Erased:
            async with (
                log_at(events, state) as log,
                _privacy(amplitude_key, amplitude_secret, amplitude_privacy_url) as privacy,
            ):
                return await Erasure(log, hot, file, privacy).of(folder.keys, user)

        done = asyncio.run(erased())
    if amplitude_key and not amplitude_secret:
        done = replace(done, left=(*done.left, NO_SECRET))
    if as_json:
        print_json({"user": user, "catalogue": catalogue, **asdict(done)})
    else:
        for line in _lines(done, catalogue):
            err.print(line, markup=False, soft_wrap=True)
    if done.left:
        raise typer.Exit(FAILED)


@asynccontextmanager
async def _privacy(key: str, secret: str, url: str) -> "AsyncIterator[Privacy | None]":
    if not key or not secret:
        yield None
        return
    from conch.clients.allowed import Allowed
    from conch.clients.outbound import Outbound
    from conch.clients.privacy import AMPLITUDE_URL, AmplitudePrivacy

    url = url or AMPLITUDE_URL
    async with Outbound(Allowed([url])) as outbound:
        yield AmplitudePrivacy(outbound, key, secret, url)


def _lines(done: "Erased", catalogue: str) -> Iterator[str]:
    from conch.contracts.events import FORGOTTEN

    yield f"event log: {FORGOTTEN} says so; records of the user stay for as long as the log keeps any, and are not read"
    yield f"redis: {done.redis_keys} keys of the user are deleted in catalogue {catalogue}, in both forms"
    if done.analytics_events is not None:
        yield f"analytics file: {done.analytics_events:,} events are deleted"
    if done.amplitude is not None:
        day = done.amplitude.day
        yield f"Amplitude: deletes the user on {day}" if day else "Amplitude: does not know the user"
    for line in done.left:
        yield f"LEFT TO DO: {line}"
