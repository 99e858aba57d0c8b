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

class AudioEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIO_ENCODING_UNSPECIFIED: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_PCM16: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_MULAW: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_OPUS: _ClassVar[AudioEncoding]

class EndReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    END_REASON_UNSPECIFIED: _ClassVar[EndReason]
    END_REASON_ENDPOINT: _ClassVar[EndReason]
    END_REASON_TOO_LONG: _ClassVar[EndReason]
    END_REASON_STALLED: _ClassVar[EndReason]
    END_REASON_CLOSED: _ClassVar[EndReason]
DECISION_UNSPECIFIED: Decision
DECISION_EXECUTE: Decision
DECISION_CONFIRM: Decision
DECISION_FORWARD: Decision
DECISION_IGNORE: Decision
AUDIO_ENCODING_UNSPECIFIED: AudioEncoding
AUDIO_ENCODING_PCM16: AudioEncoding
AUDIO_ENCODING_MULAW: AudioEncoding
AUDIO_ENCODING_OPUS: AudioEncoding
END_REASON_UNSPECIFIED: EndReason
END_REASON_ENDPOINT: EndReason
END_REASON_TOO_LONG: EndReason
END_REASON_STALLED: EndReason
END_REASON_CLOSED: EndReason

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

class ListenRequest(_message.Message):
    __slots__ = ("open", "audio")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    open: ListenOpen
    audio: AudioChunk
    def __init__(self, open: _Optional[_Union[ListenOpen, _Mapping]] = ..., audio: _Optional[_Union[AudioChunk, _Mapping]] = ...) -> None: ...

class ListenOpen(_message.Message):
    __slots__ = ("device", "tenant", "session", "sample_rate", "channels", "encoding", "language", "prompt", "contacts", "resume_offset")
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_FIELD_NUMBER: _ClassVar[int]
    RESUME_OFFSET_FIELD_NUMBER: _ClassVar[int]
    device: str
    tenant: str
    session: str
    sample_rate: int
    channels: int
    encoding: AudioEncoding
    language: str
    prompt: str
    contacts: _containers.RepeatedCompositeFieldContainer[Contact]
    resume_offset: int
    def __init__(self, device: _Optional[str] = ..., tenant: _Optional[str] = ..., session: _Optional[str] = ..., sample_rate: _Optional[int] = ..., channels: _Optional[int] = ..., encoding: _Optional[_Union[AudioEncoding, str]] = ..., language: _Optional[str] = ..., prompt: _Optional[str] = ..., contacts: _Optional[_Iterable[_Union[Contact, _Mapping]]] = ..., resume_offset: _Optional[int] = ...) -> None: ...

class AudioChunk(_message.Message):
    __slots__ = ("data", "sequence", "offset")
    DATA_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    sequence: int
    offset: int
    def __init__(self, data: _Optional[bytes] = ..., sequence: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...

class ListenEvent(_message.Message):
    __slots__ = ("started", "speech_started", "partial", "final", "intent", "decision", "audio_ack", "gap", "error", "ended")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    SPEECH_STARTED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    AUDIO_ACK_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    started: ListenStarted
    speech_started: SpeechStarted
    partial: PartialText
    final: FinalText
    intent: UtteranceIntent
    decision: UtteranceDecision
    audio_ack: AudioAck
    gap: AudioGap
    error: ListenError
    ended: ListenEnded
    def __init__(self, started: _Optional[_Union[ListenStarted, _Mapping]] = ..., speech_started: _Optional[_Union[SpeechStarted, _Mapping]] = ..., partial: _Optional[_Union[PartialText, _Mapping]] = ..., final: _Optional[_Union[FinalText, _Mapping]] = ..., intent: _Optional[_Union[UtteranceIntent, _Mapping]] = ..., decision: _Optional[_Union[UtteranceDecision, _Mapping]] = ..., audio_ack: _Optional[_Union[AudioAck, _Mapping]] = ..., gap: _Optional[_Union[AudioGap, _Mapping]] = ..., error: _Optional[_Union[ListenError, _Mapping]] = ..., ended: _Optional[_Union[ListenEnded, _Mapping]] = ...) -> None: ...

class ListenStarted(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: str
    def __init__(self, session: _Optional[str] = ...) -> None: ...

class SpeechStarted(_message.Message):
    __slots__ = ("utterance", "start_offset")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    start_offset: int
    def __init__(self, utterance: _Optional[int] = ..., start_offset: _Optional[int] = ...) -> None: ...

class PartialText(_message.Message):
    __slots__ = ("utterance", "text", "stable_characters")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STABLE_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    text: str
    stable_characters: int
    def __init__(self, utterance: _Optional[int] = ..., text: _Optional[str] = ..., stable_characters: _Optional[int] = ...) -> None: ...

class FinalText(_message.Message):
    __slots__ = ("utterance", "start_offset", "end_offset", "text", "no_speech", "language", "scores", "words", "end_reason")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NO_SPEECH_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    END_REASON_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    start_offset: int
    end_offset: int
    text: str
    no_speech: str
    language: str
    scores: Scores
    words: _containers.RepeatedCompositeFieldContainer[Word]
    end_reason: EndReason
    def __init__(self, utterance: _Optional[int] = ..., start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ..., text: _Optional[str] = ..., no_speech: _Optional[str] = ..., language: _Optional[str] = ..., scores: _Optional[_Union[Scores, _Mapping]] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., end_reason: _Optional[_Union[EndReason, str]] = ...) -> None: ...

class UtteranceIntent(_message.Message):
    __slots__ = ("utterance", "intent", "confidence", "scores")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    intent: str
    confidence: float
    scores: _containers.RepeatedCompositeFieldContainer[IntentScore]
    def __init__(self, utterance: _Optional[int] = ..., intent: _Optional[str] = ..., confidence: _Optional[float] = ..., scores: _Optional[_Iterable[_Union[IntentScore, _Mapping]]] = ...) -> None: ...

class UtteranceDecision(_message.Message):
    __slots__ = ("utterance", "decision", "reason", "command_id", "intent", "text", "contacts", "team", "place", "reply", "start_offset", "end_offset")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    decision: Decision
    reason: str
    command_id: str
    intent: str
    text: str
    contacts: _containers.RepeatedScalarFieldContainer[str]
    team: str
    place: str
    reply: str
    start_offset: int
    end_offset: int
    def __init__(self, utterance: _Optional[int] = ..., decision: _Optional[_Union[Decision, str]] = ..., reason: _Optional[str] = ..., command_id: _Optional[str] = ..., intent: _Optional[str] = ..., text: _Optional[str] = ..., contacts: _Optional[_Iterable[str]] = ..., team: _Optional[str] = ..., place: _Optional[str] = ..., reply: _Optional[str] = ..., start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ...) -> None: ...

class AudioAck(_message.Message):
    __slots__ = ("received_to", "decided_to")
    RECEIVED_TO_FIELD_NUMBER: _ClassVar[int]
    DECIDED_TO_FIELD_NUMBER: _ClassVar[int]
    received_to: int
    decided_to: int
    def __init__(self, received_to: _Optional[int] = ..., decided_to: _Optional[int] = ...) -> None: ...

class AudioGap(_message.Message):
    __slots__ = ("start_offset", "end_offset")
    START_OFFSET_FIELD_NUMBER: _ClassVar[int]
    END_OFFSET_FIELD_NUMBER: _ClassVar[int]
    start_offset: int
    end_offset: int
    def __init__(self, start_offset: _Optional[int] = ..., end_offset: _Optional[int] = ...) -> None: ...

class ListenError(_message.Message):
    __slots__ = ("utterance", "code", "message")
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    utterance: int
    code: str
    message: str
    def __init__(self, utterance: _Optional[int] = ..., code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class ListenEnded(_message.Message):
    __slots__ = ("reason", "received_to", "decided_to")
    REASON_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_TO_FIELD_NUMBER: _ClassVar[int]
    DECIDED_TO_FIELD_NUMBER: _ClassVar[int]
    reason: str
    received_to: int
    decided_to: int
    def __init__(self, reason: _Optional[str] = ..., received_to: _Optional[int] = ..., decided_to: _Optional[int] = ...) -> None: ...
