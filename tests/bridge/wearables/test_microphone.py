"""The microphone as a sound, without one."""

import asyncio
import contextlib
import sys
import threading

import pytest

from bridge.wearables.microphone import MOST_WAITING, Microphone, default_microphone
from conch.contracts.errors import Unavailable

SECOND = bytes(range(256)) * 125
"""32,000 bytes: a second."""


def capturing(*pieces, then=lambda: None):
    """A Capture that has these pieces, from a thread of its own as the real one has them."""

    @contextlib.contextmanager
    def capture(take):
        def run():
            for piece in pieces:
                take(piece)
            then()

        thread = threading.Thread(target=run)
        thread.start()
        yield
        thread.join()

    return capture


async def test_pieces_of_any_length_become_chunks_of_one_and_the_last_one_is_not_lost():
    loop = asyncio.get_running_loop()
    pieces = [SECOND[at : at + 998] for at in range(0, len(SECOND), 998)]
    microphone = Microphone(capturing(*pieces, then=lambda: loop.call_soon_threadsafe(microphone.stop)))
    chunks = [chunk async for chunk in microphone.chunks()]
    assert b"".join(chunks) == SECOND
    assert [len(chunk) for chunk in chunks] == [6400] * 5


async def test_who_is_too_slow_for_the_microphone_is_told_so_before_audio_is_lost():
    @contextlib.contextmanager
    def capture(take):
        for _ in range(MOST_WAITING + 2):
            take(b"\0\0")
        yield

    with pytest.raises(Unavailable, match=f"{MOST_WAITING} may"):
        await anext(aiter(Microphone(capture).chunks()))


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "miniaudio", None)
    with pytest.raises(Unavailable, match=r"pip install 'conch\[microphone\]'"), default_microphone(print):
        pass
