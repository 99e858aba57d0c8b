"""Delivery to a broker: what it says of itself, and what it cannot know."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

import bridge.mqtt as mqtt_file
from bridge.mqtt import Broker, Mqtt
from conch.contracts.errors import DeadlineExceeded, Unavailable
from conch.stack.serving import free_ports

PATIENCE_S = 40.0

CONNACK, SUBACK = b"\x20\x03\x00\x00\x00", b"\x90\x04\x00\x01\x00\x01"


def client(port: int) -> Mqtt:
    return Mqtt(Broker("127.0.0.1", port, "5", "teller"), ("nothing/+",), 20)


@contextlib.asynccontextmanager
async def running(mqtt: Mqtt) -> AsyncIterator[None]:
    task = asyncio.create_task(mqtt.run(lambda message: None))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def subscribed(mqtt: Mqtt) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not mqtt.connected:  # noqa: ASYNC110 # paho's thread sets it
            await asyncio.sleep(0.01)


async def test_a_message_is_delivered_when_the_broker_has_it(bare_site):
    mqtt = client(bare_site.mqtt5)
    # Asked for before there is a connection: it is waited for.
    delivering = asyncio.create_task(mqtt.deliver("team/summon", b"{}", PATIENCE_S))
    async with running(mqtt):
        await delivering
    assert mqtt.unconfirmed == 0


async def test_without_a_broker_nothing_is_sent_and_nothing_is_left_to_send():
    mqtt = client(free_ports(1)[0])
    async with running(mqtt):
        with pytest.raises(Unavailable, match="the broker was away"):
            await mqtt.deliver("team/summon", b"{}", 0.2)
    assert mqtt.unconfirmed == 0


async def test_a_broker_that_never_acknowledges_leaves_a_doubt():
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(CONNACK)
        await reader.read(1000)
        writer.write(SUBACK)
        while await reader.read(1000):
            pass
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    mqtt = client(server.sockets[0].getsockname()[1])
    async with server, running(mqtt):
        await subscribed(mqtt)
        with pytest.raises(DeadlineExceeded, match="has not acknowledged it"):
            await mqtt.deliver("team/summon", b"{}", 0.3)


async def test_a_broker_that_is_mute_to_a_subscription_is_connected_to_again(monkeypatch):
    monkeypatch.setattr(mqtt_file, "SUBSCRIBED_WITHIN_S", 0.2)
    connections = 0

    async def mute_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(1000)
        writer.write(CONNACK)
        await reader.read(1000)
        if connections > 1:
            writer.write(SUBACK)
        while await reader.read(1000):
            pass
        writer.close()

    server = await asyncio.start_server(mute_once, "127.0.0.1", 0)
    mqtt = client(server.sockets[0].getsockname()[1])
    async with server, running(mqtt):
        await subscribed(mqtt)
    assert (connections, mqtt.breaks) == (2, 1)
