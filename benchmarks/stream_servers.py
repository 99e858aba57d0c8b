"""Servers that hear live streams, for voice_streams: each as a function that says a clip to it."""

import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import numpy as np

from benchmarks.bridged import bridged
from benchmarks.clips import Clip
from benchmarks.listener import listened
from benchmarks.peers.environment import WHISPER_LIVE, WHISPER_LIVE_ITSELF, peer_python
from benchmarks.peers.process import serving_peer
from benchmarks.whisper_live import transcribed
from bridge.mqtt import Message
from bridge.wearables.recording import Played, Recording
from bridge.wearables.wearable import Event, wearing
from conch.contracts.specs import SPEECH_RATE
from conch.contracts.topics import DEFAULT_TENANT, DeviceId
from conch.models.base import Array
from conch.stack.fronted import Front, fronted
from conch.stack.repository import WeightFiles
from conch.weights.cache import verified_weights

MODELS = ("whisper", "vad", "intent", "piper")
LEAD_S, TAIL_S = 0.4, 2.4
"""Of hiss before and behind a clip."""

TENANTS = "[tenants.bench]\n"


@dataclass(frozen=True, slots=True)
class Heard:
    """What was made of one clip."""

    said: str
    text: str
    final_s: float | None
    """After its last sound; None: no text came while it was listened to."""
    own_final_s: float | None
    """By the server's own word."""


Hear = Callable[[Clip, str], Awaitable[Heard]]
"""One clip, said by the device of this name."""


@contextlib.asynccontextmanager
async def conch(folder: Path, files: Mapping[str, Path], silence_s: float) -> AsyncIterator[Hear]:
    with _fronted(folder, files, silence_s) as front:
        key = front.key("bench")

        async def hear(clip: Clip, device: str) -> Heard:
            pcm, last = _around(clip)
            told = await listened(front.grpc, key, device, pcm, ())
            finals = [came for came in told.came if came.event.HasField("final") and came.event.final.text]
            text = " ".join(came.event.final.text for came in finals)
            final_s = finals[-1].at - told.captured_at(last) if finals else None
            return Heard(clip.said, text, final_s, final_s)

        yield hear


@contextlib.asynccontextmanager
async def conch_by_mqtt(folder: Path, files: Mapping[str, Path], silence_s: float, most: int) -> AsyncIterator[Hear]:
    devices = ["warming-up", *(f"device-{number}" for number in range(most))]
    with _fronted(folder, files, silence_s) as front:
        internal = str(front.edge.edge.settings.listening.internal)
        async with bridged(folder / "mqtt", internal, devices) as broker:

            async def hear(clip: Clip, device: str) -> Heard:
                pcm, last = _around(clip)
                finals: list[Event] = []

                def heed(told: Event | Message) -> None:
                    if isinstance(told, Event) and told.name == "final" and told.fields["text"]:
                        finals.append(told)

                sound = Played(Recording(pcm.tobytes(), SPEECH_RATE), silence_s=0.0)
                own = replace(broker, client_id=f"{device}-{uuid.uuid4()}")
                async with wearing(own, DeviceId(DEFAULT_TENANT, device)) as wearable:
                    end = time.monotonic() + last / SPEECH_RATE
                    await wearable.converse(sound, heed)
                text = " ".join(final.fields["text"] for final in finals)
                final_s = finals[-1].at_s - end if finals else None
                return Heard(clip.said, text, final_s, final_s)

            yield hear


@contextlib.contextmanager
def _fronted(folder: Path, files: Mapping[str, Path], silence_s: float) -> Iterator[Front]:
    served = verified_weights(MODELS)
    detector = {"silero_vad.onnx": served["whisper/1"]["silero_vad.onnx"]}
    weights: WeightFiles = {**served, "whisper/1": {**files, **detector}}
    settings = {"LISTEN_SILENCE_S": str(silence_s)}
    with fronted(folder, MODELS, tenants=TENANTS, weights=weights, gateway=settings) as front:
        yield front


@contextlib.asynccontextmanager
async def whisper_live(folder: Path, mode: str) -> AsyncIterator[Hear]:
    python = peer_python("whisper_live", WHISPER_LIVE, WHISPER_LIVE_ITSELF)
    with serving_peer(python, "whisper_live_server.py", str(folder), mode) as address:
        async with aiohttp.ClientSession() as client:

            async def hear(clip: Clip, _: str) -> Heard:
                pcm, last = _around(clip)
                told = await transcribed(client, address, pcm)
                end = told.captured_at(last)
                settled, completed = told.settled_at, told.completed_at
                return Heard(
                    clip.said,
                    told.text,
                    None if settled is None else settled - end,
                    None if completed is None else completed - end,
                )

            yield hear


def _around(clip: Clip) -> tuple[Array, int]:
    """The clip in its hiss, and the sample at which its last sound ends."""
    loud = Recording(clip.pcm16.tobytes(), SPEECH_RATE).loud_s()
    assert loud is not None
    pcm = np.concatenate([_hiss(LEAD_S), clip.pcm16, _hiss(TAIL_S)])
    return pcm, round((LEAD_S + loud[1]) * SPEECH_RATE)


def _hiss(seconds: float) -> Array:
    """Not digital silence: a microphone always hisses a little."""
    return np.random.default_rng(7).normal(0, 20, round(seconds * SPEECH_RATE)).astype(np.int16)
