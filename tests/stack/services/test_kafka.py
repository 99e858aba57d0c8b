"""The probe of the event log, against a real broker."""

import os
import signal

import pytest

from conch.stack.service import NotYet, Sick
from conch.stack.services.kafka import KafkaProbe, command
from tests.kafka_broker import running_kafka


async def test_a_broker_that_answers_is_ready_and_a_frozen_one_is_perhaps_sick(tmp_path):
    with running_kafka(tmp_path) as broker:
        probe = KafkaProbe(broker.address)
        await probe.ready()
        await probe.look()
        os.kill(broker.process.pid, signal.SIGSTOP)
        with pytest.raises(Sick) as sick:
            await probe.look()
        assert not sick.value.certain
        os.kill(broker.process.pid, signal.SIGCONT)
        await probe.look()


async def test_a_broker_that_is_not_there_is_not_ready_yet():
    with pytest.raises(NotYet, match="does not answer"):
        await KafkaProbe("127.0.0.1:1").ready()


def test_it_listens_on_loopback_and_keeps_nothing():
    words = command("127.0.0.1:9092")[1:]
    assert words[:5] == [
        "broker",
        "--listener-url",
        "tcp://127.0.0.1:9092",
        "--advertised-listener-url",
        "tcp://127.0.0.1:9092",
    ]
    assert "memory://tansu/" in words
