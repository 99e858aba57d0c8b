"""What may be set of a gateway: environment variables, CONCH_GATEWAY_ and the field's name in capitals."""

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="CONCH_GATEWAY_", frozen=True, use_attribute_docstrings=True)

    grpc_address: str = "127.0.0.1:8021"
    """Where gRPC is served, host:port; port 0 lets the system choose, and the log tells."""

    http_address: str = "127.0.0.1:8020"
    """Where HTTP is served, host:port."""

    triton_address: str = "127.0.0.1:8011"
    """Triton's gRPC, or what balances several of them."""

    processes: int = Field(default=1, ge=1, le=64)
    """Processes that share the two ports; the kernel spreads connections over them. All limits are per process."""

    metrics_folder: str = ""
    """Where several processes put their counts together; what is left there from before goes. Empty: one in /tmp."""

    max_calls: int = Field(default=64, ge=1)
    """Calls running at once; the next one is told to come back."""

    max_transcriptions: int = Field(default=8, ge=1)
    """Of these, transcriptions."""

    max_listen_sessions: int = Field(default=1024, ge=1)
    """Listen streams open at once, beside the calls above; the next one is told to come back."""

    transcription_in_flight: int = Field(default=4, ge=1)
    """Pieces of one recording that are with the recogniser at once."""

    max_audio_bytes: int = Field(default=128 * 2**20, ge=1)
    """Of an audio file as it is sent."""

    max_audio_s: float = Field(default=3600.0, gt=0)
    """Of an audio file to transcribe, as it is decoded."""

    max_command_s: float = Field(default=30.0, gt=0, le=30.0)
    """Of a spoken command; the recogniser's window is 30 seconds."""

    max_command_bytes: int = Field(default=4 * 2**10, ge=1)
    """UTF-8 bytes of a written command."""

    max_speak_bytes: int = Field(default=64 * 2**10, ge=1)
    """UTF-8 bytes of a text to speak."""

    max_embed_bytes: int = Field(default=8 * 2**10, ge=1)
    """UTF-8 bytes of each text to embed."""

    max_embed_texts: int = Field(default=256, ge=1)
    """Texts to embed in one call."""

    max_prompt_bytes: int = Field(default=1024, ge=1)
    """UTF-8 bytes of the words to expect in audio."""

    max_infer_bytes: int = Field(default=4 * 2**20, ge=1)
    """Of the JSON that asks any model."""

    max_infer_rows: int = Field(default=256, ge=1)
    """Of one such call; they are spread over requests as large as the model takes."""

    transcribe_deadline_s: float = Field(default=3600.0, gt=0)
    """Of a Transcribe whose caller sets none."""

    understand_deadline_s: float = Field(default=30.0, gt=0)
    """Of an Understand whose caller sets none."""

    speak_deadline_s: float = Field(default=300.0, gt=0)
    """Of a Speak whose caller sets none."""

    embed_deadline_s: float = Field(default=30.0, gt=0)
    """Of an Embed whose caller sets none."""

    infer_deadline_s: float = Field(default=60.0, gt=0)
    """Of a call of any model whose caller sets none."""

    listen_pre_roll_s: float = Field(default=0.4, ge=0.3, le=0.5)
    """Of a live utterance, kept before its first sound."""

    listen_silence_s: float = Field(default=0.7, ge=0.3, le=5.0)
    """Ends an utterance; it passes before every decision."""

    listen_longest_s: float = Field(default=20.0, ge=2.0, le=28.0)
    """Of an utterance; one that goes on is cut where it is quietest."""

    listen_stall_s: float = Field(default=3.0, gt=0)
    """Without audio while somebody speaks: the utterance ends."""

    listen_idle_s: float = Field(default=300.0, gt=0)
    """Without audio: the session ends."""

    listen_answer_s: float = Field(default=10.0, gt=0)
    """In which a question of ours must be answered."""

    listen_buffer_s: float = Field(default=10.0, ge=1.0)
    """Of a session's audio that was received and not heard yet; then its caller is not read from."""

    listen_partial_every_s: float = Field(default=0.6, gt=0)
    """Of new audio, before the next partial text."""

    models_at_once: dict[str, Annotated[int, Field(ge=1)]] = {}
    """How many calls of a model this process lets run at once, as a JSON object; the others wait here, finals before
    partials. For models of few instances on Triton 2.51: their number, by that of gateway processes. A model that is
    not named gathers batches in its own queue, as on a GPU."""

    metadata_keep_s: float = Field(default=5.0, ge=0)
    """How long a model's metadata is believed, before it is read again."""

    body_deadline_s: float = Field(default=120.0, gt=0)
    """In which the body of an HTTP request must have arrived."""

    health_keep_s: float = Field(default=5.0, gt=0)
    """How long a model's answer proves that it is well, before it is probed again."""

    health_deadline_s: float = Field(default=5.0, gt=0)
    """For one probe."""

    faults: str = ""
    """A file in which whoever keeps Triton says what it found to be wrong, and that it is mended; empty: health is what
    probes of this process tell, every `health_keep_s`."""

    vital: tuple[str, ...] = ()
    """Models without which the whole server is not ready, as a JSON list: each must be served, and answer its probe.
    Empty: of those that ship with Conch all that are served, and for gRPC's health all that its services need."""

    on_demand: str = ""
    """A file that names the models which a call would load; empty: those that are served are those that are loaded."""

    drain_notice_s: float = Field(default=0.5, ge=0)
    """On SIGTERM health says no at once, and calls are still taken for this long: balancers need it to notice."""

    drain_grace_s: float = Field(default=15.0, ge=0)
    """Then running calls may end within this time."""

    catalogues: str = ""
    """Folder of the catalogues, one folder each, as the models read it; empty: nothing is recommended from here."""

    redis_address: str = ""
    """host:port of the hot store: best sellers, relations, and lists that were served; empty: there is none."""

    events_address: str = ""
    """host:port of a Kafka broker, which takes what users did; empty: Track is refused."""

    amplitude_key: SecretStr = SecretStr("")
    """Of a project at Amplitude, which is told of tracked impressions and what came of them; empty: it is not."""

    amplitude_url: str = ""
    """Where they are posted; empty: Amplitude's own address."""

    analytics_file: str = ""
    """They are written here as JSON Lines, where there is no key; empty: nowhere."""

    scenarios: str = ""
    """File of the widgets, the same that the models read; empty: conch/recommendation/scenarios.toml."""

    otlp_endpoint: str = Field(default="", validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """Where spans go by OTLP over gRPC, as http://127.0.0.1:4317; empty: nowhere. OpenTelemetry's own variable."""

    scrape_tritons: tuple[str, ...] = ()
    """host:port of every Triton's metrics, as a JSON list: /metrics/all has them beside the gateway's own."""

    scrape_edge: str = ""
    """host:port of the edge's internal listener: /metrics/all has the edge's numbers too; empty: there is no edge."""

    scrape_rollout: str = ""
    """host:port of the rollout process' metrics: /metrics/all has them too; empty: there is none."""

    log_level: str = "INFO"
    """Of our own lines, on stderr: DEBUG, INFO, WARNING or ERROR."""
