from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_UNSPECIFIED: _ClassVar[Decision]
    DECISION_EXECUTE: _ClassVar[Decision]
    DECISION_CONFIRM: _ClassVar[Decision]
    DECISION_FORWARD: _ClassVar[Decision]
    DECISION_IGNORE: _ClassVar[Decision]
DECISION_UNSPECIFIED: Decision
DECISION_EXECUTE: Decision
DECISION_CONFIRM: Decision
DECISION_FORWARD: Decision
DECISION_IGNORE: Decision

class TranscribeRequest(_message.Message):
    __slots__ = ("audio", "language", "prompt", "with_words")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    WITH_WORDS_FIELD_NUMBER: _ClassVar[int]
    audio: bytes
    language: str
    prompt: str
    with_words: bool
    def __init__(self, audio: _Optional[bytes] = ..., language: _Optional[str] = ..., prompt: _Optional[str] = ..., with_words: _Optional[bool] = ...) -> None: ...

class TranscribeReply(_message.Message):
    __slots__ = ("audio", "segment", "progress", "summary")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    audio: AudioInfo
    segment: Segment
    progress: Progress
    summary: TranscriptSummary
    def __init__(self, audio: _Optional[_Union[AudioInfo, _Mapping]] = ..., segment: _Optional[_Union[Segment, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., summary: _Optional[_Union[TranscriptSummary, _Mapping]] = ...) -> None: ...

class AudioInfo(_message.Message):
    __slots__ = ("duration_s", "sample_rate", "channels")
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    duration_s: float
    sample_rate: int
    channels: int
    def __init__(self, duration_s: _Optional[float] = ..., sample_rate: _Optional[int] = ..., channels: _Optional[int] = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("start_s", "end_s", "text", "language", "scores", "words")
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    start_s: float
    end_s: float
    text: str
    language: str
    scores: Scores
    words: _containers.RepeatedCompositeFieldContainer[Word]
    def __init__(self, start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., text: _Optional[str] = ..., language: _Optional[str] = ..., scores: _Optional[_Union[Scores, _Mapping]] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("text", "start_s", "end_s", "probability")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    text: str
    start_s: float
    end_s: float
    probability: float
    def __init__(self, text: _Optional[str] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., probability: _Optional[float] = ...) -> None: ...

class Scores(_message.Message):
    __slots__ = ("avg_logprob", "no_speech_prob", "compression_ratio", "speech_s", "language_probability")
    AVG_LOGPROB_FIELD_NUMBER: _ClassVar[int]
    NO_SPEECH_PROB_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_RATIO_FIELD_NUMBER: _ClassVar[int]
    SPEECH_S_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    speech_s: float
    language_probability: float
    def __init__(self, avg_logprob: _Optional[float] = ..., no_speech_prob: _Optional[float] = ..., compression_ratio: _Optional[float] = ..., speech_s: _Optional[float] = ..., language_probability: _Optional[float] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("done_s", "duration_s")
    DONE_S_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    done_s: float
    duration_s: float
    def __init__(self, done_s: _Optional[float] = ..., duration_s: _Optional[float] = ...) -> None: ...

class TranscriptSummary(_message.Message):
    __slots__ = ("text", "language", "duration_s")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    text: str
    language: str
    duration_s: float
    def __init__(self, text: _Optional[str] = ..., language: _Optional[str] = ..., duration_s: _Optional[float] = ...) -> None: ...

class UnderstandRequest(_message.Message):
    __slots__ = ("audio", "text", "language", "prompt", "contacts")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_FIELD_NUMBER: _ClassVar[int]
    audio: bytes
    text: str
    language: str
    prompt: str
    contacts: _containers.RepeatedCompositeFieldContainer[Contact]
    def __init__(self, audio: _Optional[bytes] = ..., text: _Optional[str] = ..., language: _Optional[str] = ..., prompt: _Optional[str] = ..., contacts: _Optional[_Iterable[_Union[Contact, _Mapping]]] = ...) -> None: ...

class Contact(_message.Message):
    __slots__ = ("name", "sounds_like")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SOUNDS_LIKE_FIELD_NUMBER: _ClassVar[int]
    name: str
    sounds_like: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., sounds_like: _Optional[_Iterable[str]] = ...) -> None: ...

class UnderstandReply(_message.Message):
    __slots__ = ("text", "language", "intent", "confidence", "scores", "decision", "reason", "recognition", "stages", "contacts", "team", "place")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RECOGNITION_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    text: str
    language: str
    intent: str
    confidence: float
    scores: _containers.RepeatedCompositeFieldContainer[IntentScore]
    decision: Decision
    reason: str
    recognition: Scores
    stages: _containers.RepeatedCompositeFieldContainer[Stage]
    contacts: _containers.RepeatedScalarFieldContainer[str]
    team: str
    place: str
    def __init__(self, text: _Optional[str] = ..., language: _Optional[str] = ..., intent: _Optional[str] = ..., confidence: _Optional[float] = ..., scores: _Optional[_Iterable[_Union[IntentScore, _Mapping]]] = ..., decision: _Optional[_Union[Decision, str]] = ..., reason: _Optional[str] = ..., recognition: _Optional[_Union[Scores, _Mapping]] = ..., stages: _Optional[_Iterable[_Union[Stage, _Mapping]]] = ..., contacts: _Optional[_Iterable[str]] = ..., team: _Optional[str] = ..., place: _Optional[str] = ...) -> None: ...

class IntentScore(_message.Message):
    __slots__ = ("intent", "probability")
    INTENT_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    intent: str
    probability: float
    def __init__(self, intent: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...

class Stage(_message.Message):
    __slots__ = ("name", "ms")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MS_FIELD_NUMBER: _ClassVar[int]
    name: str
    ms: float
    def __init__(self, name: _Optional[str] = ..., ms: _Optional[float] = ...) -> None: ...

class SpeakRequest(_message.Message):
    __slots__ = ("text", "length_scale")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LENGTH_SCALE_FIELD_NUMBER: _ClassVar[int]
    text: str
    length_scale: float
    def __init__(self, text: _Optional[str] = ..., length_scale: _Optional[float] = ...) -> None: ...

class SpeakReply(_message.Message):
    __slots__ = ("pcm16", "sample_rate")
    PCM16_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    pcm16: bytes
    sample_rate: int
    def __init__(self, pcm16: _Optional[bytes] = ..., sample_rate: _Optional[int] = ...) -> None: ...
