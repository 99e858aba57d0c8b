"""One message of audio, decoded: the payload, and what its MQTT 5 user properties tell."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from conch.contracts.errors import InvalidRequest
from conch.contracts.topics import DEVICE_NAME, ENCODING, LAST, OFFSET, RATE, SEQUENCE, SESSION
from conch.contracts.voice import LISTEN_CHUNK_S, OPUS_RATES

MAX_OFFSET = 2**53
"""What JSON's numbers still tell apart; at 48 kHz six thousand years."""

BARE_RATE = 16_000


class Reason(StrEnum):
    """Why a message is refused: a metric's label, and a word of the event that tells the device."""

    TOPIC = "topic"
    UNKNOWN_DEVICE = "unknown_device"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    ODD_LENGTH = "odd_length"
    TEXT = "text"
    """JSON where audio was due."""
    PACKET = "packet"
    """Not an Opus packet."""
    PROPERTIES = "properties"
    RETAINED = "retained"
    """It was said before we listened, nobody knows when."""
    STALE_SESSION = "stale_session"
    """Of a session that another has followed."""
    FORMAT_CHANGED = "format_changed"
    """Rate, encoding or counting differ from the session's."""
    OVERLAP = "overlap"
    """Covers samples that another chunk has."""


class Refused(InvalidRequest):
    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Encoding(StrEnum):
    PCM16 = "pcm16"
    MULAW = "mulaw"
    OPUS = "opus"


@dataclass(frozen=True, slots=True)
class Format:
    rate: int = BARE_RATE
    encoding: Encoding = Encoding.PCM16
    counted: bool = False
    """The device numbers its chunks itself."""


@dataclass(frozen=True, slots=True)
class Chunk:
    data: bytes
    format: Format
    samples: int
    session: str = ""
    """Empty: the device names none."""
    sequence: int = 0
    offset: int = 0
    """These two are the device's where `format.counted`."""
    last: bool = False
    """The device says that its session ends here."""
    came_at: float = 0.0
    """Unix time; 0: not known."""


def decode(data: bytes, properties: Sequence[tuple[str, str]], max_bytes: int) -> Chunk:
    """Raises Refused."""
    told = _once(properties)
    counted = SEQUENCE in told
    if counted != (OFFSET in told) or (counted and SESSION not in told):
        raise Refused(Reason.PROPERTIES, f"{SESSION}, {SEQUENCE} and {OFFSET} go together; there are {sorted(told)}")
    session = told.get(SESSION, "")
    if SESSION in told and not DEVICE_NAME.fullmatch(session):
        raise Refused(Reason.PROPERTIES, f"{SESSION} has {len(session)} characters or odd ones; 1 to 128 plain ones do")
    encoding = told.get(ENCODING, Encoding.PCM16)
    if encoding not in list(Encoding):
        raise Refused(Reason.PROPERTIES, f"{ENCODING} is {encoding!r}, not one of {', '.join(Encoding)}")
    how = Format(_number(told, RATE, BARE_RATE, 8_000, 48_000), Encoding(encoding), counted)
    if how.encoding is Encoding.OPUS and how.rate not in OPUS_RATES:
        raise Refused(Reason.PROPERTIES, f"{RATE} is {how.rate}, of Opus {', '.join(map(str, OPUS_RATES))} are taken")
    if not data:
        raise Refused(Reason.EMPTY, "the chunk has no audio")
    if len(data) > max_bytes:
        raise Refused(Reason.TOO_LARGE, f"the chunk has {len(data)} bytes, at most {max_bytes} are taken")
    if _is_json(data):
        raise Refused(Reason.TEXT, f"the chunk is JSON of {len(data)} bytes, not audio")
    samples = _samples(data, how)
    if samples > LISTEN_CHUNK_S * how.rate:
        raise Refused(Reason.TOO_LARGE, f"the chunk is {samples / how.rate:g} s, at most {LISTEN_CHUNK_S:g} are taken")
    sequence, offset = _number(told, SEQUENCE), _number(told, OFFSET)
    return Chunk(data, how, samples, session, sequence, offset, told.get(LAST) == "true")


def _once(properties: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """MQTT lets a property stand twice; which of the two were meant nobody knows."""
    told: dict[str, str] = {}
    for name, value in properties:
        if name in told and name in (SESSION, SEQUENCE, OFFSET, RATE, ENCODING):
            raise Refused(Reason.PROPERTIES, f"{name} is given twice")
        told[name] = value
    return told


def _number(told: Mapping[str, str], name: str, default: int = 0, least: int = 0, most: int = MAX_OFFSET) -> int:
    text = told.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and least <= int(text) <= most):
        raise Refused(Reason.PROPERTIES, f"{name} is {text[:32]!r}, not a whole number from {least} to {most}")
    return int(text)


def _is_json(data: bytes) -> bool:
    text = data.strip()
    if text[:1] not in (b"{", b"[") or text[-1:] not in (b"}", b"]"):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _samples(data: bytes, how: Format) -> int:
    if how.encoding is Encoding.OPUS:
        return _opus_samples(data, how.rate)
    if how.encoding is Encoding.MULAW:
        return len(data)
    if len(data) % 2:
        raise Refused(Reason.ODD_LENGTH, f"the chunk has {len(data)} bytes, and a sample has 2")
    return len(data) // 2


def _opus_samples(packet: bytes, rate: int) -> int:
    """RFC 6716, section 3.1: the first byte tells a frame's length and, with the second, how many there are."""
    configuration, code = packet[0] >> 3, packet[0] & 3
    if configuration < 12:
        frame_us = (10_000, 20_000, 40_000, 60_000)[configuration % 4]
    elif configuration < 16:
        frame_us = (10_000, 20_000)[configuration % 2]
    else:
        frame_us = (2_500, 5_000, 10_000, 20_000)[configuration % 4]
    if code == 3 and len(packet) < 2:
        raise Refused(Reason.PACKET, "the chunk is one byte, which is no Opus packet of several frames")
    frames = packet[1] & 63 if code == 3 else (1, 2, 2)[code]
    if not 0 < frames * frame_us <= 120_000:
        raise Refused(Reason.PACKET, f"the Opus packet tells of {frames * frame_us / 1000} ms; 2.5 to 120 are allowed")
    return frames * frame_us * rate // 1_000_000
