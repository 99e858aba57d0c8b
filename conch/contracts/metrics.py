"""Every metric name we export, with its sentence and its labels: the one list."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


# Exported by Triton on behalf of our python models.
MODEL_EXECUTIONS = Metric(
    "conch_model_executions_total", Kind.COUNTER, "Batches that a model executed.", ("model", "version")
)
MODEL_ROWS = Metric(
    "conch_model_rows_total",
    Kind.COUNTER,
    "Rows in executed batches; by executions, the mean executed batch.",
    ("model", "version"),
)
MODEL_REFUSED = Metric(
    "conch_model_refused_total",
    Kind.COUNTER,
    "Requests a model answered with an error, by the error's class.",
    ("model", "version", "reason"),
)

# Exported by the gateway.
REQUESTS = Metric(
    "conch_requests_total", Kind.COUNTER, "Finished calls, by face, method and outcome.", ("face", "method", "outcome")
)
REQUEST_SECONDS = Metric(
    "conch_request_seconds", Kind.HISTOGRAM, "Seconds from a call's arrival to its last answer.", ("face", "method")
)
STAGE_SECONDS = Metric("conch_stage_seconds", Kind.HISTOGRAM, "Seconds spent in one stage of a call.", ("stage",))
AUDIO_SECONDS = Metric("conch_audio_seconds_total", Kind.COUNTER, "Seconds of audio transcribed.")

ALL = (
    MODEL_EXECUTIONS,
    MODEL_ROWS,
    MODEL_REFUSED,
    REQUESTS,
    REQUEST_SECONDS,
    STAGE_SECONDS,
    AUDIO_SECONDS,
)
