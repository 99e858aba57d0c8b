"""`conch features`: what programs and people say to the hot store, and its packed forms."""

import json
from typing import Annotated

import typer

from conch.cli.catalogue import Name, Redis, opened
from conch.cli.connection import State
from conch.cli.console import err
from conch.contracts.errors import InvalidRequest
from conch.contracts.keys import DEFAULT_CATALOGUE
from conch.stores.features import Hash, List, SortedSet, Value

Keys = Annotated[list[str], typer.Argument(metavar="KEY…", help="As promo:PID, without the catalogue's prefix.")]

features_app = typer.Typer(help="Features in the hot store, and their packed forms.", no_args_is_help=True)


@features_app.command("rebuild")
def rebuild(catalogue: Name = DEFAULT_CATALOGUE, redis: Redis = "", state: State = None) -> None:
    """Pack everything once more: from durable tables, which give Redis back what it lost, and from documented keys."""
    from functools import partial

    from conch.features.rebuilding import Rebuilding
    from conch.stores.durable import relations_of
    from conch.stores.published_rollups import PublishedRollups

    with opened(catalogue, redis, state) as (folder, hot), err.status("beginning") as status:
        durable = relations_of(folder, deadline_s=5.0)
        rollups = partial(PublishedRollups, folder.published_rollups)
        done = Rebuilding(folder, hot, durable, rollups, lambda stage: status.update(stage)).rebuild()
        durable.close()
    err.print(f"{done:,} features of catalogue {catalogue} are packed.")


@features_app.command("put")
def put(
    key: Annotated[str, typer.Argument(metavar="KEY", help="As promo:PID, without the catalogue's prefix.")],
    value: Annotated[
        str,
        typer.Argument(metavar="JSON", help="An object of numbers (sorted set), a list, or an object of texts (hash)."),
    ],
    catalogue: Name = DEFAULT_CATALOGUE,
    redis: Redis = "",
    state: State = None,
) -> None:
    """Write a feature in both forms; it replaces what stands there."""
    from conch.features.reconciling import Reconciler

    with opened(catalogue, redis, state) as (folder, hot):
        Reconciler(folder, hot).put(folder.keys.full(key), value_of(key, value))
    err.print(f"{key} is written.", markup=False, soft_wrap=True)


@features_app.command("touch")
def touch(keys: Keys, catalogue: Name = DEFAULT_CATALOGUE, redis: Redis = "", state: State = None) -> None:
    """Say that another program has written these keys: the stack packs them anew."""
    with opened(catalogue, redis, state) as (folder, hot):
        full = [folder.keys.full(key) for key in keys]
        for key in full:
            if folder.keys.parsed(key) is None:
                raise InvalidRequest(f"{key[:100]!r} is no documented key")
        hot.publish(folder.keys.features_changed, full)
    err.print(f"{len(keys)} keys are told of.")


def value_of(key: str, text: str) -> Value:
    """A promo is a hash, whatever its fields were written as. Raises InvalidRequest."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidRequest(f"{text[:80]!r} is no JSON: {error}") from error
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return List(value)
    if isinstance(value, dict) and value:
        if key.startswith("promo:") and all(isinstance(one, str | int | float) for one in value.values()):
            return Hash({name: one if isinstance(one, str) else json.dumps(one) for name, one in value.items()})
        if all(isinstance(one, int | float) and not isinstance(one, bool) for one in value.values()):
            return SortedSet({member: float(score) for member, score in value.items()})
        if all(isinstance(one, str) for one in value.values()):
            return Hash(value)
    raise InvalidRequest(f"{text[:80]!r} is no object of numbers, no list of texts and no object of texts")
