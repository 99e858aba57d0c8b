"""What a wearable hears of one command, told line by line as it comes, with the seconds since it began to play."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bridge.mqtt import Message
from bridge.wearables.wearable import Event
from conch.contracts.topics import DEFAULT_TENANT, LAST, RATE, DeviceId, summon_topic
from conch.contracts.voice import SpokenSentence

SUMMONS = summon_topic(DEFAULT_TENANT)


@dataclass(slots=True)
class Story:
    device: DeviceId
    began_s: float
    show: Callable[[str, str, str], None]
    """Gets a time, a name and words."""
    decided_s: float | None = None
    reply: str = ""
    """What is being said to the wearer."""
    spoken: list[SpokenSentence] = field(default_factory=list)
    spoken_s: float = 0.0
    """When the last of it came."""
    awaits: set[str] = field(default_factory=set)
    """What is still to come: `speech`, and `summon` where one was ordered."""

    def heed(self, told: Event | Message) -> None:
        if isinstance(told, Event):
            self._event(told)
        elif told.topic == SUMMONS:
            self._summon(json.loads(told.payload))
        elif told.topic == self.device.speech:
            self._speech(told)

    def _event(self, event: Event) -> None:
        fields, at_s = event.fields, event.at_s - self.began_s
        words = _words(event.name, fields)
        if words is not None:
            self.show(f"{at_s:.1f}", event.name.replace("_", " "), words)
        if event.name == "decision":
            self.decided_s = at_s
            self._expect(fields["reply"], "speech")
            if fields["decision"] == "execute" and fields["team"]:
                self.awaits.add("summon")
        if event.name == "action":
            self._expect(fields["reply"], "speech")
            if fields["state"] != "done":
                self.awaits.discard("summon")

    def _expect(self, reply: str, what: str) -> None:
        if reply:
            self.reply = reply
            self.awaits.add(what)

    def _summon(self, summon: dict[str, Any]) -> None:
        self.awaits.discard("summon")
        self.show(f"{time.monotonic() - self.began_s:.1f}", SUMMONS, f"team {summon['team']}, place {summon['place']}")

    def _speech(self, message: Message) -> None:
        told = dict(message.properties)
        self.spoken.append(SpokenSentence(message.payload, int(told[RATE])))
        self.spoken_s = time.monotonic() - self.began_s
        if told[LAST] == "true":
            self.awaits.discard("speech")


def _words(name: str, fields: dict[str, Any]) -> str | None:
    """None for what only programs need."""
    match name:
        case "speech_started":
            return ""
        case "partial":
            return str(fields["text"])
        case "final":
            return str(fields["text"]) or f"(nothing was said: {fields['no_speech']})"
        case "intent":
            return f"{fields['intent']}, confidence {fields['confidence']:.3f}"
        case "decision":
            return f"{fields['decision']}: {fields['reason']}"
        case "action":
            return f"{fields['action']}: {fields['state']} {fields['reason']}".rstrip()
        case "gap" | "dropped":
            return f"samples {fields['start_offset']} to {fields['end_offset']}"
        case "error" | "refused":
            return str(fields["message"])
    return None
