"""`conch models alias` and `conch models sign`: name a version, and vouch for one."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from conch.cli.connection import Key, State, needing_a_stack
from conch.cli.console import err, out, reporting_errors
from conch.cli.publish import publisher_of
from conch.cli.remote import Ca, Url, models_at
from conch.rollout.signatures import sign as sign_version
from conch.rollout.versions import version_number


def alias(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    name: Annotated[str, typer.Argument(metavar="ALIAS", help="challenger or shadow.")],
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="None takes it away.")] = "",
    state: State = None,
    url: Url = "",
    key: Key = "",
    ca: Ca = None,
) -> None:
    """Name a version beside the champion; nobody is served by it."""
    with reporting_errors(), needing_a_stack():
        number = version_number(version) if version else None
        if url:
            with models_at(url, key, ca) as models:
                models.set_alias(model, name, number)
        else:
            asyncio.run(publisher_of(state).set_alias(model, name, number))
    out.print(f"{model} {number} is the {name}" if number else f"{model} has no {name}")


def sign(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of a version.")],
    key_file: Annotated[Path, typer.Option("--key-file", help="PEM: openssl genpkey -algorithm ed25519")],
) -> None:
    """Vouch for a version with Python of its own: writes checksums.json and checksums.sig, prints the public key."""
    with reporting_errors():
        public = sign_version(folder, key_file)
    err.print("It goes live where rollout.toml has this key among its trusted_keys:")
    out.print(public, soft_wrap=True)
