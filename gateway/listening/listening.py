"""Voice.Listen, whichever face asks: opens sessions, and ends them when the gateway does."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial

import numpy as np

from conch.clients.inference import Inference
from conch.contracts.errors import Cancelled, Unavailable
from conch.contracts.specs import SPEECH_RATE
from gateway.calls import Call
from gateway.limits import Limits
from gateway.listening.bounds import Bounds
from gateway.listening.counting import Counting
from gateway.listening.endpointing import Endpointing
from gateway.listening.opening import Opening
from gateway.listening.outlet import Write
from gateway.listening.pace import Pacing
from gateway.listening.receiving import Chunk, Unreadable
from gateway.listening.session import Session, Tools
from gateway.patience import persistently
from gateway.recognition import Recogniser
from gateway.understanding import CommandUnderstanding
from gateway.voice_activity import VoiceActivity

DEFAULT_BOUNDS = Bounds()
DEFAULT_ENDPOINTING = Endpointing()
DEFAULT_PACING = Pacing()


class Listening:
    def __init__(
        self,
        inference: Inference,
        understanding: CommandUnderstanding,
        limits: Limits,
        counting: Counting,
        *,
        bounds: Bounds = DEFAULT_BOUNDS,
        endpointing: Endpointing = DEFAULT_ENDPOINTING,
        pacing: Pacing = DEFAULT_PACING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._tools = Tools(
            partial(VoiceActivity, inference),
            Recogniser(inference),
            understanding,
            counting,
            bounds,
            endpointing,
            pacing,
            clock,
        )
        self._sessions: dict[tuple[str, str, str], Session] = {}
        self._draining = False

    async def listen(
        self, opening: Opening, chunks: AsyncIterator[Chunk | Unreadable], write: Write, call: Call
    ) -> None:
        """Until the caller closes the stream, and all that was said is decided."""
        if self._draining:
            raise Unavailable("the gateway is ending: open the session again")
        opening = opening.checked(call.identity, self._limits)
        await self._check_expectation(opening, call)
        session = Session(opening, partial(_within, call), self._tools, write)
        before = self._sessions.get(opening.key)
        if before is not None:
            before.break_off(Cancelled(f"session {opening.session} was opened again by another call"))
        self._sessions[opening.key] = session
        try:
            await session.run(chunks)
        finally:
            if self._sessions.get(opening.key) is session:
                del self._sessions[opening.key]

    def drain(self) -> None:
        """What was said is decided; then the sessions end."""
        self._draining = True
        for session in self._sessions.values():
            session.stop("the gateway is ending: open the session again")

    async def _check_expectation(self, opening: Opening, call: Call) -> None:
        """A moment of silence asks the recogniser itself: a language that it does not know is refused at once."""
        if not (opening.language or opening.prompt):
            return
        ours = _within(call, self._tools.bounds.final_s)
        silence = np.zeros(SPEECH_RATE // 10, np.int16)
        recogniser, expectation = self._tools.recogniser, opening.expectation
        await persistently(lambda: recogniser.recognise(silence, expectation, ours.asked_by_somebody()), ours)


def _within(session: Call, seconds: float) -> Call:
    """A part of a session that may take so long, whatever the session may."""
    return replace(session, ends_at=min(session.ends_at, time.monotonic() + seconds))
