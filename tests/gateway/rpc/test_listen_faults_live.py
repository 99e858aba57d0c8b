"""Triton is killed while somebody speaks, and another one comes: the command is decided, once."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from conch.clients.triton import TritonInference
from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.specs import SPEECH_RATE
from conch.stack.serving import Server, serving
from conch.weights.cache import verified_weights
from tests.bridge.invariants import assert_none_lost
from tests.bridge.proxy import leading_to
from tests.gateway.conftest import quick_settings, running
from tests.gateway.microphone import Microphone
from tests.gateway.rpc.test_listen_live import MODELS, around


async def test_a_triton_that_is_killed_in_the_middle_of_a_word_costs_no_command(
    spoken: Callable[[str], np.ndarray], tmp_path: Path
) -> None:
    speech = spoken("Please summon the security team.")
    pcm, half = around(speech), round(0.8 * SPEECH_RATE) + len(speech) // 2
    with leading_to(0) as proxy, contextlib.ExitStack() as servers:
        first = servers.enter_context(serving(tmp_path / "first", MODELS, verified_weights(MODELS)))
        proxy.lead_to(port_of(first))
        async with (
            TritonInference(f"127.0.0.1:{proxy.port}") as inference,
            running(quick_settings(), inference) as addresses,
            grpc.aio.insecure_channel(addresses.grpc) as channel,
        ):
            microphone = await Microphone(channel, session="monday", language="en").open()
            await microphone.say(pcm[:half])
            await microphone.until("speech_started")
            os.killpg(first.process.pid, signal.SIGKILL)
            deciding = asyncio.create_task(decided(channel, microphone, pcm))
            another = serving(tmp_path / "second", MODELS, verified_weights(MODELS))
            second = await asyncio.to_thread(servers.enter_context, another)
            proxy.lead_to(port_of(second))
            decisions = await deciding
    assert {(one.intent, one.decision) for one in decisions} == {("SUMMON_TEAM", pb.DECISION_EXECUTE)}
    assert len({one.command_id for one in decisions}) == 1
    spans = [(one.start_offset, one.end_offset) for one in decisions]
    assert_none_lost([(round(0.9 * SPEECH_RATE), round(0.7 * SPEECH_RATE) + len(speech))], spans, [])


async def decided(channel: grpc.aio.Channel, microphone: Microphone, pcm: np.ndarray) -> list[Any]:
    """Sends the rest, and after a break whatever is not decided, as the bridge does."""
    decisions: list[Any] = []
    resume = microphone.resumed_at
    while True:
        with contextlib.suppress(AssertionError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await microphone.say(pcm[microphone.offset :])
            await microphone.close()
        decisions += microphone.told("decision")
        if microphone.told("ended"):
            return decisions
        resume = max([resume, *(ack.decided_to for ack in microphone.told("audio_ack"))])
        microphone = Microphone(channel, session="monday", language="en", resume_offset=resume)
        with contextlib.suppress(AssertionError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await microphone.open()


def port_of(server: Server) -> int:
    return int(server.grpc.rsplit(":", 1)[1])
