"""`conch devices`: which wearables the bridge hears, and whose they are."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from bridge.devices import Device, DevicesFile, Line
from conch.cli.connection import State
from conch.cli.console import err, out, print_json, reporting_errors
from conch.commands.contacts import Contact
from conch.contracts.errors import InvalidRequest
from conch.contracts.topics import DeviceId
from conch.edge.tenants import DEFAULT, Tenants
from conch.stack.services.bridge import DEVICES
from conch.stack.state import StateFolder, default_root

Name = Annotated[str, typer.Argument(metavar="DEVICE", help="As in its topic, wearable/DEVICE/audio.")]
Tenant = Annotated[str, typer.Option(help="One of the tenants file.")]

devices_app = typer.Typer(help="Wearables that the bridge hears.", no_args_is_help=True)


@devices_app.command("add")
def add(
    device: Name,
    tenant: Tenant = DEFAULT,
    language: Annotated[str, typer.Option(help="ISO 639-1; empty: detected in each utterance.")] = "",
    contact: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=SOUND,…]", help="Whom its wearer may call; may be repeated."),
    ] = None,
    team: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Whom its wearer may send for; may be repeated.")
    ] = None,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=TECH/RESOURCE", help="What rings a contact, as PJSIP/100; may be repeated."),
    ] = None,
    state: State = None,
) -> None:
    """Register a device, or change one: a bridge that runs takes it up at once."""
    with reporting_errors():
        folder = StateFolder(state or default_root())
        Tenants.read(folder.root / "tenants.toml")[tenant]
        contacts = tuple(_contact(word) for word in contact or ())
        lines = tuple(_line(word, contacts) for word in endpoint or ())
        named = Device(DeviceId(tenant, device).checked(), language, contacts, tuple(team or ()), lines)
        _file(folder).add(named)
    err.print(f"Device {device} of tenant {tenant} is heard at {named.id.audio}.", markup=False, soft_wrap=True)


@devices_app.command("list")
def list_devices(
    state: State = None, as_json: Annotated[bool, typer.Option("--json", help="One object a device.")] = False
) -> None:
    """Every device that is registered."""
    with reporting_errors():
        devices = _file(StateFolder(state or default_root())).read()
    if as_json:
        for name in sorted(devices):
            print_json(devices[name].to_json())
        return
    table = Table("tenant", "device", "language", "contacts", "teams")
    for name in sorted(devices):
        device = devices[name]
        contacts = ", ".join(contact.name for contact in device.contacts)
        words = (name.tenant, name.device, device.language or "detected", contacts, ", ".join(device.teams))
        table.add_row(*(escape(word) for word in words))
    out.print(table)


@devices_app.command("revoke")
def revoke(device: Name, tenant: Tenant = DEFAULT, state: State = None) -> None:
    """Hear a device no more; a bridge that runs takes it up at once."""
    with reporting_errors():
        _file(StateFolder(state or default_root())).revoke(DeviceId(tenant, device))
    err.print(f"Device {device} of tenant {tenant} is revoked.", markup=False, soft_wrap=True)


def _file(folder: StateFolder) -> DevicesFile:
    return DevicesFile(Path(folder.root) / DEVICES)


def _contact(word: str) -> Contact:
    name, _, sounds = word.partition("=")
    if not name.strip():
        raise InvalidRequest(f"--contact {word!r} has no name; it is NAME or NAME=SOUND,…")
    return Contact(name.strip(), tuple(sound.strip() for sound in sounds.split(",") if sound.strip()))


def _line(word: str, contacts: tuple[Contact, ...]) -> Line:
    name, _, endpoint = word.partition("=")
    if name.strip() not in {contact.name for contact in contacts}:
        raise InvalidRequest(
            f"--endpoint {word!r} is for {name.strip()!r}, and the contacts are"
            f" {', '.join(repr(contact.name) for contact in contacts) or 'none'}"
        )
    return Line(name.strip(), endpoint.strip()).checked()
