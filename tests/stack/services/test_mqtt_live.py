"""A real broker, in a stack of its own."""

import os
import signal

import pytest

from conch.stack.service import Sick
from conch.stack.services.mqtt import Mqtt, MqttProbe
from tests.bridge.wearable import eventually, wearing


async def test_a_broker_that_stopped_answering_is_sick_and_answers_again_when_started_anew(start):
    stack = await start(Mqtt()).ready()
    probe = MqttProbe(stack.status.services["mqtt"].addresses["mqtt"])
    await probe.look()

    first = stack.pid("mqtt")
    os.kill(first, signal.SIGSTOP)
    with pytest.raises(Sick, match="does not answer"):
        await probe.look()
    await stack.until(lambda: stack.pid("mqtt") not in (None, first))
    await stack.ready()
    await probe.look()


async def test_a_message_of_mqtt_3_reaches_a_subscriber_of_mqtt_5_and_large_ones_do_too(start):
    stack = await start(Mqtt()).ready()
    faces = stack.status.services["mqtt"].addresses
    old, new = (int(faces[face].rsplit(":", 1)[1]) for face in ("mqtt", "mqtt5"))
    with wearing(new, 5, "watch-1") as told, wearing(old, 4, "watch-2") as teller:
        teller.topic = "wearable/watch-1/speech"
        teller.publish(bytes(500_000))
        eventually(lambda: bool(told.speech))
    assert [(len(pcm), properties) for pcm, properties in told.speech] == [(500_000, {})]
