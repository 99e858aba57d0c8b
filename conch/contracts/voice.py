"""What is said about speech, on every face: the pieces of a transcript, and what a command was understood as."""

from dataclasses import dataclass

OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
"""Of microphones that send Opus. A packet tells of time, not of samples: at any of these it is decoded."""

LISTEN_CHUNK_S = 10.0
"""Of audio in one chunk of a live session, at most."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What was received, before it became mono at 16 kHz."""

    duration_s: float
    """As the file's header has it; 0 where the header does not say."""
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class Scores:
    """What the recogniser thinks of its own text."""

    avg_logprob: float = 0.0
    """Mean natural logarithm of the tokens' probabilities."""
    no_speech_prob: float = 0.0
    compression_ratio: float = 0.0
    """Bytes of text by bytes of its zlib form: loops compress well."""
    speech_s: float = 0.0
    """Seconds that the voice activity detector calls speech."""
    language_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """One stretch of speech; times are from the start of the audio."""

    start_s: float
    end_s: float
    text: str
    language: str
    scores: Scores
    words: tuple[Word, ...] = ()
    """Empty unless word times were asked for."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Everything before `done_s` has been transcribed, speech or not."""

    done_s: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class TranscriptSummary:
    text: str
    language: str
    """Of the most speech; empty where nothing was said."""
    duration_s: float


TranscriptEvent = AudioInfo | Segment | Progress | TranscriptSummary
"""In this order: AudioInfo once; Segments in the order of time with Progress between them; TranscriptSummary once."""


@dataclass(frozen=True, slots=True)
class Stage:
    name: str
    ms: float


@dataclass(frozen=True, slots=True)
class Understood:
    text: str
    """What was said, or the text as given."""
    language: str
    """Of the audio; empty for text."""
    intent: str
    """One of specs.INTENTS; empty where nothing was said."""
    confidence: float
    scores: dict[str, float]
    """Calibrated probability by intent."""
    decision: str
    """One of the gate's actions: execute, confirm, forward or ignore."""
    reason: str
    contacts: tuple[str, ...] = ()
    """Of DIAL_PERSON, where contacts were given: who may be meant, the likeliest first."""
    team: str = ""
    """Of SUMMON_TEAM: who is sent, as it was said; empty where nobody was named."""
    place: str = ""
    """Of SUMMON_TEAM: where to; empty where no place was named."""
    recognition: Scores | None = None
    """None for text."""
    stages: tuple[Stage, ...] = ()
    """In the order they ran."""
    request_id: str = ""
    """As clients know it."""


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    pcm16: bytes
    """16-bit little-endian mono."""
    sample_rate: int
