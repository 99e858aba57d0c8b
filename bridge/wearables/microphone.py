"""This machine's microphone as a device's sound, by miniaudio, which carries what it needs but ALSA or PulseAudio."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager

from bridge.wearables.recording import CHUNK_S
from conch.contracts.errors import Unavailable

RATE = 16_000

MOST_WAITING = 256
"""Pieces of the microphone's that nobody has taken; then it is given up: what is lost could not be told."""

Capture = Callable[[Callable[[bytes], None]], AbstractContextManager[None]]
"""While its context is open it calls with 16-bit mono of RATE, in pieces of any length, from a thread of its own."""


class Microphone:
    """A Sound that lasts until stop()."""

    rate = RATE

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """What has not filled a chunk is still said."""
        self._stopped.set()

    async def chunks(self) -> AsyncIterator[bytes]:
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue[bytes]()
        with self._capture(lambda piece: _hand_over(loop, pieces, piece)):
            heard, size = bytearray(), 2 * round(CHUNK_S * RATE)
            while (piece := await self._next(pieces)) is not None:
                heard += piece
                while len(heard) >= size:
                    yield bytes(heard[:size])
                    del heard[:size]
        if heard:
            yield bytes(heard)

    async def _next(self, pieces: asyncio.Queue[bytes]) -> bytes | None:
        """None: it is stopped, and nothing waits."""
        if pieces.qsize() > MOST_WAITING:
            raise Unavailable(f"{pieces.qsize()} pieces of the microphone wait, {MOST_WAITING} may: we are too slow")
        if not pieces.empty():
            return pieces.get_nowait()
        arrived, stopped = asyncio.ensure_future(pieces.get()), asyncio.ensure_future(self._stopped.wait())
        done, left = await asyncio.wait((arrived, stopped), return_when=asyncio.FIRST_COMPLETED)
        for one in left:
            one.cancel()
        return arrived.result() if arrived in done else None


def _hand_over(loop: asyncio.AbstractEventLoop, pieces: asyncio.Queue[bytes], piece: bytes) -> None:
    loop.call_soon_threadsafe(pieces.put_nowait, piece)


@contextmanager
def default_microphone(take: Callable[[bytes], None]) -> Iterator[None]:
    """A Capture: the one that the system is set to. Raises Unavailable."""
    try:
        import miniaudio
    except ImportError:
        raise Unavailable("a microphone needs miniaudio: pip install 'conch[microphone]'") from None
    try:
        device = miniaudio.CaptureDevice(miniaudio.SampleFormat.SIGNED16, nchannels=1, sample_rate=RATE)
    except miniaudio.MiniaudioError as error:
        raise Unavailable(f"this machine's microphone does not open: {error}") from error
    with device:
        if device.backend == "Null":
            raise Unavailable("this machine has no sound system: neither ALSA nor PulseAudio answers")
        pieces = _pieces(take)
        next(pieces)
        device.start(pieces)
        yield


def _pieces(take: Callable[[bytes], None]) -> Generator[None, bytes, None]:
    while True:
        piece = yield
        take(bytes(piece))
