"""The contract of every served model: names, types and shapes of its tensors.

`config.pbtxt` says the same to Triton; a test holds each against the other. Shapes leave the batch dimension out;
-1 is a length that may differ from request to request.
"""

from dataclasses import dataclass
from enum import StrEnum

from conch.contracts.items import ITEM_BYTES
from conch.contracts.provenance import CHANGES, DROPPED, SOURCES


class DataType(StrEnum):
    """Triton's names for element types (KServe v2, "Tensor Data Types")."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    UINT32 = "UINT32"
    FP32 = "FP32"
    BYTES = "BYTES"


@dataclass(frozen=True, slots=True)
class TensorSpec:
    name: str
    data_type: DataType
    dims: tuple[int, ...]
    """Without the batch dimension; -1 where the length varies."""
    optional: bool = False
    """An absent optional input is absent from what the model is given, never filled in."""

    @property
    def ragged(self) -> bool:
        return -1 in self.dims


@dataclass(frozen=True, slots=True)
class ModelSpec:
    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    decoupled: bool = False
    """One request may give any number of responses (Triton's decoupled transaction policy)."""
    is_lookup: bool = False
    """It reads stores and adds up on one core: no library's threads to count, no device to choose."""

    def input(self, name: str) -> TensorSpec:
        return next(tensor for tensor in self.inputs if tensor.name == name)

    def output(self, name: str) -> TensorSpec:
        return next(tensor for tensor in self.outputs if tensor.name == name)


SPEECH_RATE = 16_000
"""Samples a second that Whisper and Silero VAD were trained on."""

WHISPER_MAX_S = 30.0
"""Whisper's window: the longest audio of one call, in seconds."""

VAD_WINDOW = 512
"""Samples at 16 kHz in one VAD window (32 ms)."""

VAD_MAX_S = 60.0
"""The longest audio of one VAD call, in seconds; a stream is any number of calls."""

VAD_CONTEXT = 64
"""Samples of the window before that Silero VAD reads again."""

VAD_STATE = 128
"""Width of each of Silero's two recurrent states."""

INTENTS = ("SUMMON_TEAM", "DIAL_PERSON", "GENERAL_QUERY")
"""In the order of the intent model's scores."""

EMBEDDING_WIDTH = 384

PRIORITY_INTERACTIVE = 1
"""Triton priority of finals and of calls somebody waits for."""

PRIORITY_BULK = 2
"""Triton priority of partials and of bulk work; also what a request without a priority gets."""


EXAMPLE_PARAMETER = "example"
"""Of a config: a row of inputs as JSON that the model answers, for descriptions and health probes."""


def _tensor(name: str, data_type: DataType, *dims: int) -> TensorSpec:
    return TensorSpec(name, data_type, dims)


def _optional(name: str, data_type: DataType, *dims: int) -> TensorSpec:
    return TensorSpec(name, data_type, dims, optional=True)


WHISPER = ModelSpec(
    name="whisper",
    inputs=(
        # Exactly one of the two.
        _optional("pcm16", DataType.INT16, -1),
        _optional("pcm", DataType.FP32, -1),  # in [-1, 1]
        _tensor("sample_rate", DataType.INT32, 1),
        _optional("language", DataType.BYTES, 1),  # ISO 639-1; absent or empty: detected
        _optional("prompt", DataType.BYTES, 1),  # words to expect: names, places, jargon
        _optional("with_words", DataType.BOOL, 1),  # word times cost one more pass of the decoder
    ),
    outputs=(
        _tensor("text", DataType.BYTES, 1),  # empty when nothing was said
        _tensor("language", DataType.BYTES, 1),
        _tensor("language_probability", DataType.FP32, 1),
        _tensor("avg_logprob", DataType.FP32, 1),  # per token, natural log
        _tensor("no_speech_prob", DataType.FP32, 1),
        _tensor("compression_ratio", DataType.FP32, 1),  # bytes of text by its zlib length
        _tensor("speech_s", DataType.FP32, 1),  # seconds that the VAD calls speech
        _tensor("rejected", DataType.BYTES, 1),  # why the text is empty: silence, no_speech, low_confidence, loop
        _tensor("words", DataType.BYTES, -1),
        _tensor("word_times", DataType.FP32, -1, 2),  # start and end, seconds from the first sample
        _tensor("word_probabilities", DataType.FP32, -1),
    ),
)

VAD = ModelSpec(
    name="vad",
    inputs=(
        _tensor("pcm", DataType.FP32, -1),  # 16 kHz in [-1, 1]; a multiple of VAD_WINDOW samples
        _optional("state", DataType.FP32, 2, VAD_STATE),  # absent at the start of a stream
        _optional("context", DataType.FP32, VAD_CONTEXT),  # absent at the start of a stream
    ),
    outputs=(
        _tensor("probabilities", DataType.FP32, -1),  # of speech, one a window
        _tensor("next_state", DataType.FP32, 2, VAD_STATE),
        _tensor("next_context", DataType.FP32, VAD_CONTEXT),
    ),
)

INTENT = ModelSpec(
    name="intent",
    inputs=(_tensor("text", DataType.BYTES, 1),),
    outputs=(
        _tensor("intent", DataType.BYTES, 1),  # one of INTENTS; empty for empty text
        _tensor("confidence", DataType.FP32, 1),  # calibrated probability of that intent; 0 for empty text
        _tensor("intent_scores", DataType.FP32, len(INTENTS)),  # calibrated probabilities in the order of INTENTS
        _tensor("logits", DataType.FP32, len(INTENTS)),  # before calibration
    ),
)

PIPER = ModelSpec(
    name="piper",
    inputs=(
        _tensor("text", DataType.BYTES, 1),
        _optional("length_scale", DataType.FP32, 1),  # 1.0 is the voice's own pace, 2.0 half as fast
    ),
    outputs=(
        _tensor("pcm16", DataType.INT16, -1),  # one sentence a response
        _tensor("sample_rate", DataType.INT32, 1),
    ),
    decoupled=True,
)

EMBEDDING = ModelSpec(
    name="embedding",
    inputs=(_tensor("text", DataType.BYTES, 1),),
    outputs=(
        _tensor("embedding", DataType.FP32, EMBEDDING_WIDTH),  # unit length
        _tensor("tokens", DataType.INT32, 1),  # word pieces of the text that were read
        _tensor("version", DataType.BYTES, 1),  # of the model: vectors of two are not to be compared
    ),
)

CANDIDATES_MOST = 1_000
"""Masters that one call gives at most."""

RANKED_MOST = 1_000
"""Masters that one call takes, and offers that it gives, at most."""

UUID_BYTES = 16

POOL_WIDTH = 4 + len(SOURCES)
"""Columns of a pool of candidates: master, score, sources, reason, and the parts of the score by source. Floats stand
there by their bits."""

CANDIDATES = ModelSpec(
    name="candidates",
    is_lookup=True,
    inputs=(
        _tensor("user", DataType.BYTES, 1),  # empty: nobody we know
        _optional("item", DataType.BYTES, 1),  # the pid or master that is looked at
        _optional("category", DataType.BYTES, 1),
        _optional("widget", DataType.BYTES, 1),  # absent or empty: the first of the scenarios
        _optional("variant", DataType.BYTES, 1),  # absent or empty: assigned by the user
        _optional("exclude", DataType.BYTES, -1),  # pids and masters
        _optional("candidates", DataType.INT32, 1),  # how many, 1 to CANDIDATES_MOST
        _optional("explain", DataType.BYTES, 1),  # a pid or master: `explanation` says where it is or why not
    ),
    outputs=(
        _tensor("masters", DataType.UINT32, -1),  # by score, then by id
        _tensor("scores", DataType.FP32, -1),
        _tensor("sources", DataType.UINT32, -1),  # provenance.Source
        _tensor("parts", DataType.FP32, -1, len(SOURCES)),  # of the score, by source; they add up to it
        _tensor("reasons", DataType.UINT32, -1),  # the viewed master or the category that gave most; 2³²-1: none
        _tensor("pool", DataType.UINT32, -1, POOL_WIDTH),  # the five in one, for the next step
        _tensor("summary", DataType.BYTES, 1),  # JSON of summary.Summary: all that stands below but the generation
        _tensor("generation", DataType.UINT32, 1),  # of the ids
        _tensor("recommendation_id", DataType.BYTES, 1),
        _tensor("assigned_variant", DataType.BYTES, 1),
        _tensor("fallback", DataType.BYTES, 1),  # why the answer is not personal; empty where it is
        _tensor("degraded", DataType.BYTES, -1),  # what was down, and who answered in its place
        _tensor("explanation", DataType.BYTES, 1),  # JSON; empty unless `explain` was given
    ),
)

PROMO_RANKER = ModelSpec(
    name="promo_ranker",
    is_lookup=True,
    inputs=(
        # Exactly one of the three, and scores with the first two; a pool has scores, sources, parts and reasons.
        _optional("masters", DataType.UINT32, -1),
        _optional("master_uuids", DataType.UINT8, -1, UUID_BYTES),
        _optional("pool", DataType.UINT32, -1, POOL_WIDTH),
        _optional("scores", DataType.FP32, -1),
        _optional("sources", DataType.UINT32, -1),
        _optional("parts", DataType.FP32, -1, len(SOURCES)),
        _optional("reasons", DataType.UINT32, -1),
        _optional("generation", DataType.UINT32, 1),
        _optional("summary", DataType.BYTES, 1),  # of the candidates; instead of widget and variant, which it names
        _optional("widget", DataType.BYTES, 1),
        _optional("variant", DataType.BYTES, 1),
        _optional("k", DataType.INT32, 1),  # offers wanted; absent: the widget's
        _optional("strict", DataType.BOOL, 1),  # promos are read anew from the store, not from the snapshot
    ),
    outputs=(
        _tensor("items", DataType.UINT8, -1, ITEM_BYTES),  # items.ITEM: the best offer of each master, by rank
        _tensor("summary", DataType.BYTES, 1),  # JSON of summary.Summary: the one given, with what this model adds
        # The same in columns.
        _tensor("pids", DataType.UINT32, -1),
        _tensor("pid_uuids", DataType.UINT8, -1, UUID_BYTES),
        _tensor("item_masters", DataType.UINT32, -1),
        _tensor("item_master_uuids", DataType.UINT8, -1, UUID_BYTES),
        _tensor("item_scores", DataType.FP32, -1),
        _tensor("item_sources", DataType.UINT32, -1),
        _tensor("item_parts", DataType.FP32, -1, len(SOURCES)),
        _tensor("item_reasons", DataType.UINT32, -1),
        _tensor("item_bases", DataType.FP32, -1),  # the score that came in
        _tensor("changes", DataType.UINT32, -1),  # provenance.Change
        _tensor("adjustments", DataType.FP32, -1, len(CHANGES)),  # boost, flash bonus, bid; 1, 0, 1 change nothing
        _tensor("prices", DataType.FP32, -1),
        _tensor("dropped", DataType.INT32, len(DROPPED)),  # masters, by reason
        _tensor("ranker_degraded", DataType.BYTES, -1),
    ),
)

NEAREST = ModelSpec(
    name="nearest",
    is_lookup=True,
    inputs=(
        _tensor("embedding", DataType.FP32, EMBEDDING_WIDTH),
        _optional("k", DataType.INT32, 1),  # 1 to 1,000; absent: 10
        _optional("vector_version", DataType.BYTES, 1),  # of the embedding that made it; absent: of the only index
    ),
    outputs=(
        _tensor("masters", DataType.UINT32, -1),  # the nearest first
        _tensor("master_uuids", DataType.UINT8, -1, UUID_BYTES),
        _tensor("similarities", DataType.FP32, -1),  # cosine
        _tensor("embedding_version", DataType.BYTES, 1),  # of the model that the index was built with
    ),
)

MODELS: dict[str, ModelSpec] = {
    spec.name: spec for spec in (WHISPER, VAD, INTENT, PIPER, EMBEDDING, CANDIDATES, PROMO_RANKER, NEAREST)
}
