"""What a command asks for, spoken or written, and whether to act on it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import BinaryIO

from conch.clients.inference import Arrays, Inference, text_column
from conch.commands.contacts import Callee, Contact, callee
from conch.commands.summons import Summons, summons
from conch.contracts.specs import INTENTS
from conch.contracts.voice import Scores, Stage, Understood
from conch.decision import DIAL, SUMMON, Understanding, decide
from gateway import audio
from gateway.audio import RawPcm
from gateway.calls import Call
from gateway.limits import Limits
from gateway.recognition import Expectation, asked, scores_of, speech_inputs

Timed = Callable[[str, str, float], None]
"""Told a stage that is no model's, the tenant, and its seconds."""


class CommandUnderstanding:
    def __init__(
        self,
        inference: Inference,
        limits: Limits,
        timed: Timed = lambda stage, tenant, seconds: None,
    ) -> None:
        self._inference = inference
        self._timed = timed
        self._limits = limits

    async def of_text(
        self, text: str, call: Call, contacts: Sequence[Contact] = (), recognition: Scores | None = None
    ) -> Understood:
        """Without `contacts` a call's name is not looked at; `recognition` is of a text that was heard."""
        self._limits.check_command(text)
        self._limits.check_contacts(contacts)
        watch = _Stopwatch()
        answer = await asked(self._inference, "intent", {"text": text_column(text)}, call.asked_by_somebody())
        watch.lap("intent")
        return await self._decided(text, "", answer, recognition, contacts, watch, call)

    async def of_audio(
        self,
        source: BinaryIO,
        expectation: Expectation,
        call: Call,
        raw: RawPcm | None = None,
        contacts: Sequence[Contact] = (),
    ) -> Understood:
        """By the ensemble `voice_command`: the text does not come back here on its way from whisper to intent."""
        self._limits.check_prompt(expectation.prompt)
        self._limits.check_contacts(contacts)
        watch = _Stopwatch()
        async with audio.opened(source, self._limits.command_s, raw) as file:
            pcm = await audio.whole(file)
        self._timed("decode", call.identity.tenant, watch.lap("decode"))
        inputs = speech_inputs(pcm[: self._limits.command_samples], expectation)
        answer = await asked(self._inference, "voice_command", inputs, call.asked_by_somebody())
        watch.lap("voice_command")
        text, language = str(answer["text"][0, 0]).strip(), str(answer["spoken_language"][0, 0])
        return await self._decided(text, language, answer, scores_of(answer), contacts, watch, call)

    async def _decided(
        self,
        text: str,
        language: str,
        answer: Arrays,
        recognition: Scores | None,
        contacts: Sequence[Contact],
        watch: "_Stopwatch",
        call: Call,
    ) -> Understood:
        intent, confidence = str(answer["intent"][0, 0]), float(answer["confidence"][0, 0])
        meant: Callee | None = None
        if intent == DIAL and contacts:
            # Some tens of milliseconds for the longest list: other calls go on meanwhile.
            meant = await asyncio.to_thread(callee, text, contacts)
            watch.lap("contacts")
        sent = summons(text) if intent == SUMMON else Summons()
        understood = Understanding(text, intent, confidence, meant, recognition)
        decision = decide(understood, call.identity.thresholds)
        watch.lap("decide")
        return Understood(
            text=text,
            language=language,
            intent=intent,
            confidence=confidence,
            scores=dict(zip(INTENTS, map(float, answer["intent_scores"][0]), strict=True)),
            decision=decision.action,
            reason=decision.reason,
            contacts=meant.names if meant is not None else (),
            team=sent.team,
            place=sent.place,
            recognition=recognition,
            stages=tuple(watch.stages),
        )


class _Stopwatch:
    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._at = time.perf_counter()

    def lap(self, name: str) -> float:
        """Its seconds."""
        now = time.perf_counter()
        seconds, self._at = now - self._at, now
        self.stages.append(Stage(name, seconds * 1000))
        return seconds
