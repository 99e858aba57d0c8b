"""The JSON of the HTTP face."""

from pydantic import BaseModel, ConfigDict

from conch.commands.contacts import Contact
from conch.contracts.voice import Scores, Segment, Stage, TranscriptSummary, Understood, Word


class ContactBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    sounds_like: list[str] = []
    """Other spellings of how the name is said."""

    def to_contact(self) -> Contact:
        return Contact(self.name, tuple(self.sounds_like))


class ProblemShape(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    """The request's id."""


class CommandBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str
    contacts: list[ContactBody] = []
    """Whom a call may mean; nobody is dialled without asking back who is not surely meant."""


class SpeechBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str
    length_scale: float | None = None
    """1.0 or absent: the voice's own pace; 2.0: half as fast. From 0.25 to 4."""


class TextsBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    texts: list[str]


class WordShape(BaseModel):
    text: str
    start_s: float
    end_s: float
    probability: float

    @classmethod
    def of(cls, word: Word) -> "WordShape":
        return cls(
            text=word.text,
            start_s=round(word.start_s, 3),
            end_s=round(word.end_s, 3),
            probability=round(word.probability, 4),
        )


class ScoresShape(BaseModel):
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    speech_s: float
    language_probability: float

    @classmethod
    def of(cls, scores: Scores) -> "ScoresShape":
        return cls(**_rounded(scores))


class SegmentShape(ScoresShape):
    start_s: float
    end_s: float
    text: str
    language: str
    words: list[WordShape]

    @classmethod
    def of_segment(cls, segment: Segment) -> "SegmentShape":
        return cls(
            start_s=round(segment.start_s, 3),
            end_s=round(segment.end_s, 3),
            text=segment.text,
            language=segment.language,
            words=[WordShape.of(word) for word in segment.words],
            **_rounded(segment.scores),
        )


class TranscriptShape(BaseModel):
    text: str
    language: str
    """Of the most speech; empty where nothing was said."""
    duration_s: float
    segments: list[SegmentShape]

    @classmethod
    def of(cls, summary: TranscriptSummary, segments: list[Segment]) -> "TranscriptShape":
        return cls(
            text=summary.text,
            language=summary.language,
            duration_s=round(summary.duration_s, 3),
            segments=[SegmentShape.of_segment(segment) for segment in segments],
        )


class StageShape(BaseModel):
    name: str
    ms: float

    @classmethod
    def of(cls, stage: Stage) -> "StageShape":
        return cls(name=stage.name, ms=round(stage.ms, 2))


class UnderstoodShape(BaseModel):
    text: str
    language: str
    """Of the audio; empty for text."""
    intent: str
    """Empty where nothing was said."""
    confidence: float
    scores: dict[str, float]
    decision: str
    """execute, confirm, forward or ignore."""
    reason: str
    contacts: list[str]
    """Of DIAL_PERSON, where contacts were given: who may be meant, the likeliest first."""
    team: str
    """Of SUMMON_TEAM; empty where nobody was named."""
    place: str
    """Of SUMMON_TEAM; empty where no place was named."""
    recognition: ScoresShape | None
    """Of the audio; null for text."""
    stages: list[StageShape]

    @classmethod
    def of(cls, understood: Understood) -> "UnderstoodShape":
        return cls(
            text=understood.text,
            language=understood.language,
            intent=understood.intent,
            confidence=round(understood.confidence, 4),
            scores={intent: round(sure, 4) for intent, sure in understood.scores.items()},
            decision=understood.decision,
            reason=understood.reason,
            contacts=list(understood.contacts),
            team=understood.team,
            place=understood.place,
            recognition=None if understood.recognition is None else ScoresShape.of(understood.recognition),
            stages=[StageShape.of(stage) for stage in understood.stages],
        )


class VectorsShape(BaseModel):
    embeddings: list[list[float]]


class ModelHealthShape(BaseModel):
    ready: bool
    reason: str = ""


class ServiceHealthShape(BaseModel):
    ready: bool
    depends_on: dict[str, ModelHealthShape]


class HealthShape(BaseModel):
    live: bool
    ready: bool
    draining: bool
    services: dict[str, ServiceHealthShape]


def _rounded(scores: Scores) -> dict[str, float]:
    return {
        "avg_logprob": round(scores.avg_logprob, 4),
        "no_speech_prob": round(scores.no_speech_prob, 4),
        "compression_ratio": round(scores.compression_ratio, 3),
        "speech_s": round(scores.speech_s, 3),
        "language_probability": round(scores.language_probability, 4),
    }
