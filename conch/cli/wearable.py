"""Where commands that play wearables find the broker and the devices file of a stack."""

import uuid

import typer

from bridge.devices import Device, DevicesFile
from bridge.mqtt import Broker
from conch.cli.console import NO_STACK, err
from conch.contracts.errors import NotFound, Unavailable
from conch.contracts.topics import DeviceId
from conch.stack.services.bridge import DEVICES
from conch.stack.state import NoStack, StateFolder, running_stack


def broker_of(folder: StateFolder, name: str) -> Broker:
    """Exits 3 where no stack runs. `name` begins the client's id; the broker keeps nothing for it."""
    try:
        stack = running_stack(folder.root)
    except NoStack as error:
        err.print(error.message, markup=False, soft_wrap=True)
        raise typer.Exit(NO_STACK) from None
    if "bridge" not in stack.services:
        raise Unavailable("the stack runs without a bridge; start it without --only, or with --only bridge")
    host, _, port = stack.services["mqtt"].addresses["mqtt5"].rpartition(":")
    return Broker(host, int(port), "5", f"{name}-{uuid.uuid4()}", kept_s=0)


def devices_file(folder: StateFolder) -> DevicesFile:
    return DevicesFile(folder.root / DEVICES)


def register(file: DevicesFile, name: DeviceId, own: Device) -> None:
    """`own` is the command's, and is added where it is missing; any other has to be there."""
    if name in file.read():
        return
    if name != own.id:
        raise NotFound(f"tenant {name.tenant} has no device {name.device}; add it: conch devices add {name.device}")
    file.add(own)
