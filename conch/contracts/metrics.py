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


BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0)
"""Of every histogram of seconds: from a small model's answer to an hour's recording."""

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
MODEL_UNCOUNTED = Metric(
    "conch_model_uncounted_total",
    Kind.COUNTER,
    "Requests of tenants with a limit of audio seconds that were served uncounted, because the store was away.",
    ("model", "version"),
)
MODEL_REQUEST_SECONDS = Metric(
    "conch_model_request_seconds",
    Kind.HISTOGRAM,
    "Seconds that a model had a request, in whatever batch it came; the wait in Triton's queue is not in it.",
    ("model", "version", "tenant"),
)
MODEL_AUDIO_SECONDS = Metric(
    "conch_model_audio_seconds_total",
    Kind.COUNTER,
    "Seconds of audio that a model heard, whoever sent them and by whatever way.",
    ("model", "version", "tenant"),
)

MODEL_FEATURES = Metric(
    "conch_model_features_total",
    Kind.COUNTER,
    "Relations that a model looked for: hit (in Redis, or remembered), miss (for the durable store) or unreadable.",
    ("model", "version", "outcome"),
)
MODEL_STALE_RELATIONS = Metric(
    "conch_model_stale_relations_total",
    Kind.COUNTER,
    "Relations older than three months that a model read, and served.",
    ("model", "version"),
)
MODEL_UNKNOWN_IDS = Metric(
    "conch_model_unknown_ids_total",
    Kind.COUNTER,
    "Ids in features that the newest generation on this host does not know yet, and that a model left out.",
    ("model", "version"),
)
MODEL_DEGRADED = Metric(
    "conch_model_degraded_total",
    Kind.COUNTER,
    "Answers that lack what a store would have told, by the store.",
    ("model", "version", "store"),
)
MODEL_CHANGES_LOST = Metric(
    "conch_model_changes_lost_total",
    Kind.COUNTER,
    "Times that a model may have missed changes of what it remembers, and forgot all of it or waits for a generation.",
    ("model", "version"),
)
MODEL_SNAPSHOT_WRITTEN = Metric(
    "conch_model_snapshot_written_seconds",
    Kind.GAUGE,
    "When the host's snapshot was written that a model goes by, in seconds since 1970.",
    ("model", "version", "tenant"),
)

# Exported by the gateway.
REQUESTS = Metric(
    "conch_requests_total",
    Kind.COUNTER,
    "Finished calls, by face, method, tenant and outcome.",
    ("face", "method", "tenant", "outcome"),
)
REQUEST_SECONDS = Metric(
    "conch_request_seconds",
    Kind.HISTOGRAM,
    "Seconds from a call's arrival to its last answer.",
    ("face", "method", "tenant"),
)
STAGE_SECONDS = Metric(
    "conch_stage_seconds",
    Kind.HISTOGRAM,
    "Seconds spent in one stage of a call; infer is one call to a model, its queue included.",
    ("stage", "model", "tenant"),
)
AUDIO_SECONDS = Metric("conch_audio_seconds_total", Kind.COUNTER, "Seconds of audio transcribed.", ("tenant",))
ADMISSION_REFUSED = Metric(
    "conch_admission_refused_total",
    Kind.COUNTER,
    "Calls refused at once because too many were running, by what there were too many of.",
    ("limit", "tenant"),
)
CALLS_RUNNING = Metric("conch_calls_running", Kind.GAUGE, "Calls that are running now.")
LISTEN_SESSIONS = Metric("conch_listen_sessions", Kind.GAUGE, "Listen sessions that are open now.")
LISTEN_BUFFERED_SECONDS = Metric(
    "conch_listen_buffered_seconds", Kind.GAUGE, "Seconds of audio that open sessions hold in memory."
)
LISTEN_UTTERANCES = Metric(
    "conch_listen_utterances_total",
    Kind.COUNTER,
    "Utterances heard in Listen sessions, by why they ended: endpoint, too_long, stalled or closed.",
    ("tenant", "ending"),
)
LISTEN_FINAL_SECONDS = Metric(
    "conch_listen_final_seconds",
    Kind.HISTOGRAM,
    "Seconds from the endpoint of an utterance, which is a set silence after its last word, to its last event.",
    ("tenant",),
)
LISTEN_PARTIALS = Metric(
    "conch_listen_partials_total",
    Kind.COUNTER,
    "Partial texts, by what became of them: sent, late, failed, or behind, where no time was left to ask for one.",
    ("tenant", "outcome"),
)
LISTEN_REFUSED = Metric(
    "conch_listen_refused_total",
    Kind.COUNTER,
    "Chunks that were not heard whole, by reason: message, chunk, offset, duplicate or overlap.",
    ("tenant", "reason"),
)
LISTEN_GAP_SECONDS = Metric(
    "conch_listen_gap_seconds_total", Kind.COUNTER, "Seconds of audio that never came.", ("tenant",)
)
SCRAPE_UP = Metric(
    "conch_scrape_up",
    Kind.GAUGE,
    "Whether a part of the one scrape page could be read, 1 or 0.",
    ("part", "server"),
)

# Exported by rollout.
ROLLOUT_CHAMPION = Metric(
    "conch_rollout_champion", Kind.GAUGE, "Number of the version that callers get who name none.", ("model",)
)
ROLLOUT_VERSIONS = Metric(
    "conch_rollout_versions",
    Kind.GAUGE,
    "Versions of a model that are loaded, unloaded or quarantined.",
    ("model", "state"),
)
ROLLOUT_ACTIONS = Metric(
    "conch_rollout_actions_total",
    Kind.COUNTER,
    "Lines of the journal by what they tell: promoted, refused, rolled back, and whatever else was done.",
    ("model", "action"),
)
ROLLOUT_LOAD_SECONDS = Metric(
    "conch_rollout_load_seconds", Kind.GAUGE, "Seconds that the last version took to load that went live.", ("model",)
)
ROLLOUT_PROBE_SECONDS = Metric(
    "conch_rollout_probe_seconds",
    Kind.GAUGE,
    "Seconds that the last version that went live took to answer its probes, before it did.",
    ("model",),
)

ROLLOUT_HEALS = Metric(
    "conch_rollout_heals_total",
    Kind.COUNTER,
    "Times that a model was loaded again because a process of it had died, hung or leaked.",
    ("model", "server"),
)
ROLLOUT_HEAL_SECONDS = Metric(
    "conch_rollout_heal_seconds",
    Kind.GAUGE,
    "Seconds that the last such load took, from when the fault was found to an answer.",
    ("model", "server"),
)

# Exported by the bridge.
BRIDGE_SAMPLES = Metric(
    "conch_bridge_samples",
    Kind.GAUGE,
    "Samples of a device's session: received, gap and dropped make sent, which a device without numbers does not tell.",
    ("tenant", "device", "kind"),
)
BRIDGE_DUPLICATES = Metric(
    "conch_bridge_duplicates", Kind.GAUGE, "Chunks of a device's session that came again.", ("tenant", "device")
)
BRIDGE_REFUSED = Metric(
    "conch_bridge_refused_total", Kind.COUNTER, "Messages that were no audio of ours, by why.", ("tenant", "reason")
)
BRIDGE_EVENTS = Metric(
    "conch_bridge_events_total", Kind.COUNTER, "Events published to devices, by kind.", ("tenant", "event")
)
BRIDGE_BREAKS = Metric(
    "conch_bridge_breaks_total",
    Kind.COUNTER,
    "Streams to the gateway that ended with an error, by its class.",
    ("tenant", "error"),
)
BRIDGE_ACTIONS = Metric(
    "conch_bridge_actions_total",
    Kind.COUNTER,
    "What was done about decisions: done, failed, unknown, repeated, refused or cancelled.",
    ("tenant", "action", "outcome"),
)
BRIDGE_ACTIONS_WAITING = Metric("conch_bridge_actions_waiting", Kind.GAUGE, "Commands that wait to be acted on.")
BRIDGE_SESSIONS = Metric("conch_bridge_sessions", Kind.GAUGE, "Sessions of devices that have audio in flight.")
BRIDGE_CONNECTED = Metric("conch_bridge_connected", Kind.GAUGE, "Whether the broker has us subscribed, 1 or 0.")
BRIDGE_ACTIVE = Metric("conch_bridge_active", Kind.GAUGE, "Whether it carries audio, or is on standby: 1 or 0.")
BRIDGE_UNSENT = Metric("conch_bridge_unsent", Kind.GAUGE, "Messages lost since the start, as the broker was away.")
BRIDGE_SPOOL_BYTES = Metric("conch_bridge_spool_bytes", Kind.GAUGE, "Bytes on disk of audio that is not decided.")
BRIDGE_SPOOL_FULL = Metric(
    "conch_bridge_spool_full", Kind.GAUGE, "Whether nothing is acknowledged, as the spool is full: 1 or 0."
)

ALL = (
    MODEL_EXECUTIONS,
    MODEL_ROWS,
    MODEL_REFUSED,
    MODEL_UNCOUNTED,
    MODEL_REQUEST_SECONDS,
    MODEL_AUDIO_SECONDS,
    MODEL_FEATURES,
    MODEL_STALE_RELATIONS,
    MODEL_UNKNOWN_IDS,
    MODEL_DEGRADED,
    MODEL_CHANGES_LOST,
    MODEL_SNAPSHOT_WRITTEN,
    REQUESTS,
    REQUEST_SECONDS,
    STAGE_SECONDS,
    AUDIO_SECONDS,
    ADMISSION_REFUSED,
    CALLS_RUNNING,
    LISTEN_SESSIONS,
    LISTEN_BUFFERED_SECONDS,
    LISTEN_UTTERANCES,
    LISTEN_FINAL_SECONDS,
    LISTEN_PARTIALS,
    LISTEN_REFUSED,
    LISTEN_GAP_SECONDS,
    SCRAPE_UP,
    ROLLOUT_CHAMPION,
    ROLLOUT_VERSIONS,
    ROLLOUT_ACTIONS,
    ROLLOUT_LOAD_SECONDS,
    ROLLOUT_PROBE_SECONDS,
    ROLLOUT_HEALS,
    ROLLOUT_HEAL_SECONDS,
    BRIDGE_SAMPLES,
    BRIDGE_DUPLICATES,
    BRIDGE_REFUSED,
    BRIDGE_EVENTS,
    BRIDGE_BREAKS,
    BRIDGE_ACTIONS,
    BRIDGE_ACTIONS_WAITING,
    BRIDGE_SESSIONS,
    BRIDGE_CONNECTED,
    BRIDGE_ACTIVE,
    BRIDGE_UNSENT,
    BRIDGE_SPOOL_BYTES,
    BRIDGE_SPOOL_FULL,
)

OF_MODELS = tuple(metric for metric in ALL if metric.name.startswith("conch_model_"))
"""On Triton's own page, where a histogram is three families of counters: see conch/triton/counts.py."""
