"""A gateway that counts, in a process of its own: Listen decides at once whatever comes, and finds nothing in it."""

import asyncio
import contextlib
import multiprocessing
from collections.abc import AsyncIterator, Iterator
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from typing import Any

import grpc.aio

from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.pb.voice.v1 import voice_pb2_grpc as rpc

START_S = 30.0


class CountingGateway(rpc.VoiceServicer):
    def __init__(self, heard: "Synchronized[int]") -> None:
        self._heard = heard

    async def Listen(self, requests: Any, context: Any) -> AsyncIterator[pb.ListenEvent]:
        end = (await anext(requests)).open.resume_offset
        async for request in requests:
            end = request.audio.offset + len(request.audio.data) // 2
            self._heard.value += 1
            yield pb.ListenEvent(audio_ack=pb.AudioAck(received_to=end, decided_to=end))
        yield pb.ListenEvent(ended=pb.ListenEnded(reason="no more comes", received_to=end, decided_to=end))


@contextlib.contextmanager
def counting_gateway(port: int) -> "Iterator[Synchronized[int]]":
    """Chunks heard until now."""
    heard: Synchronized[int] = multiprocessing.Value("q", 0)
    ready = multiprocessing.Event()
    process = multiprocessing.Process(target=_serve, args=(port, heard, ready), daemon=True)
    process.start()
    try:
        if not ready.wait(START_S):
            raise RuntimeError(f"the counting gateway does not listen after {START_S} s")
        yield heard
    finally:
        process.terminate()
        process.join()


def _serve(port: int, heard: "Synchronized[int]", ready: Event) -> None:
    asyncio.run(_listen(port, heard, ready))


async def _listen(port: int, heard: "Synchronized[int]", ready: Event) -> None:
    server = grpc.aio.server()
    rpc.add_VoiceServicer_to_server(CountingGateway(heard), server)  # type: ignore[no-untyped-call]
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    ready.set()
    await server.wait_for_termination()
