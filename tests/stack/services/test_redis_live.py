"""A real Redis, in a stack of its own."""

import os
import signal
import socket

import pytest

from conch.stack.service import NotYet, Sick
from conch.stack.services.redis import Redis, RedisProbe


async def test_a_redis_that_stopped_answering_is_sick_and_answers_again_when_started_anew(start):
    stack = await start(Redis()).ready()
    host, port = stack.status.services["redis"].addresses["redis"].split(":")
    probe = RedisProbe(host, int(port))
    await probe.look()

    first = stack.pid("redis")
    os.kill(first, signal.SIGSTOP)
    with pytest.raises(Sick, match="does not answer"):
        await probe.look()
    await stack.until(lambda: stack.pid("redis") not in (None, first))
    await stack.ready()
    await probe.look()


async def test_what_was_written_outlives_a_killed_redis(start):
    stack = await start(Redis()).ready()
    assert ask(stack, b"SET colour green\r\nWAITAOF 1 0 5000\r\n").startswith(b"+OK")

    first = stack.pid("redis")
    os.kill(first, signal.SIGKILL)
    await stack.until(lambda: stack.pid("redis") not in (None, first))
    await stack.ready()
    assert ask(stack, b"GET colour\r\n").endswith(b"green\r\n")


async def test_a_redis_that_refuses_to_write_is_not_ready(start):
    stack = await start(Redis()).ready()
    host, port = stack.status.services["redis"].addresses["redis"].split(":")
    ask(stack, b"CONFIG SET maxmemory 1\r\n")
    with pytest.raises(NotYet, match="OutOfMemoryError"):
        await RedisProbe(host, int(port)).ready()


def ask(stack, commands):
    host, port = stack.status.services["redis"].addresses["redis"].split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(commands + b"QUIT\r\n")
        answers = b""
        while data := connection.recv(4096):
            answers += data
    return answers.removesuffix(b"+OK\r\n")
