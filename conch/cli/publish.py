"""`conch publish` and `conch rollback`: which version of a model answers, in the running stack."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from conch.cli.connection import Key, State, needing_a_stack
from conch.cli.console import err, out, print_json, reporting_errors
from conch.cli.remote import Ca, Url, files_to_send, models_at
from conch.clients.edge.models import ModelStatus
from conch.contracts.errors import Unavailable
from conch.rollout.fleet import fleet_of
from conch.rollout.folders import Folders
from conch.rollout.publications import Publication
from conch.rollout.publisher import Publisher
from conch.rollout.record import ModelRecord
from conch.rollout.servers import STACK, ServerAddress
from conch.rollout.versions import version_number
from conch.stack.state import StateFolder, default_root, running_stack

AsJson = Annotated[
    bool, typer.Option("--json", help="One object: model, champion, serving, versions, generation.", show_default=False)
]

Expected = Annotated[
    int | None,
    typer.Option("--expect", metavar="N", help="Refuse unless this version is the champion.", show_default=False),
]


def publish(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Its name; a new one brings its config.pbtxt.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder of a version, or of a model with one.")],
    note: Annotated[str, typer.Option("--note", help="Kept in the journal.")] = "",
    version: Annotated[
        str, typer.Option("--version", metavar="N", help="Its number; default: its folder's, or the next.")
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Though the same files were refused before.")] = False,
    expected: Expected = None,
    state: State = None,
    url: Url = "",
    key: Key = "",
    ca: Ca = None,
    as_json: AsJson = False,
) -> None:
    """Put a version live: checked, tried out and probed before any caller gets it; exits 1 where it is refused."""
    with reporting_errors(), needing_a_stack(), err.status(f"publishing {model}"):
        number = version_number(version) if version else None
        if url:
            with models_at(url, key, ca) as models:
                files = files_to_send(path)
                status = models.publish(
                    model, files, note=note, version=number, again=again, expected_champion=expected
                )
            _tell(_as_record(status), as_json)
            return
        wanted = Publication(model, path.absolute(), note, number, again, expected_champion=expected)
        _tell(asyncio.run(publisher_of(state).publish(wanted)), as_json)


def rollback(
    model: Annotated[str, typer.Argument(metavar="MODEL")],
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="Default: the champion before.")] = "",
    expected: Expected = None,
    state: State = None,
    url: Url = "",
    key: Key = "",
    ca: Ca = None,
    as_json: AsJson = False,
) -> None:
    """Go back to a version that is known; at once where it is still loaded."""
    with reporting_errors(), needing_a_stack(), err.status(f"rolling {model} back"):
        target = version_number(version) if version else None
        if url:
            with models_at(url, key, ca) as models:
                status = models.roll_back(model, target, expected_champion=expected)
            _tell(_as_record(status), as_json)
            return
        rolling_back = publisher_of(state).roll_back(model, target, expected_champion=expected)
        _tell(asyncio.run(rolling_back), as_json)


def _as_record(status: ModelStatus) -> ModelRecord:
    known = tuple(one.number for one in status.versions)
    return ModelRecord(status.name, status.champion, status.serving, known, generation=status.generation)


def publisher_of(state: Path | None) -> Publisher:
    triton = running_stack(state).services.get("triton")
    if triton is None or not {"http", "grpc"} <= triton.addresses.keys():
        raise Unavailable("the stack's Triton is not ready: conch status tells what it does")
    root = StateFolder(state or default_root()).root
    folders, own = Folders(root), ServerAddress(STACK, triton.addresses["http"], triton.addresses["grpc"])
    return Publisher(folders, fleet_of(folders, own))


def _tell(record: ModelRecord, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "model": record.model,
                "champion": record.champion,
                "serving": list(record.serving),
                "versions": sorted(record.known),
                "generation": record.generation,
            }
        )
        return
    warm = ", ".join(str(version) for version in record.serving if version != record.champion)
    out.print(f"{record.model} {record.champion} is live" + (f"; {warm} stays loaded" if warm else ""))
