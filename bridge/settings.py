"""What may be set of a bridge: environment variables, CONCH_BRIDGE_ and the field's name in capitals."""

from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyNetwork, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="CONCH_BRIDGE_", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    mqtt_address: str = "127.0.0.1:1884"
    """The broker, host:port."""

    mqtt_version: Literal["3.1.1", "5"] = "5"
    """With 3.1.1 nobody's user properties arrive here: every device counts for bare."""

    mqtt_user: str = ""
    """Empty: the broker asks nobody."""

    mqtt_password: SecretStr = SecretStr("")

    mqtt_ca: Path | None = None
    """PEM of who signs the broker's certificate; with it TLS is spoken, and the address names the broker."""

    mqtt_certificate: Path | None = None
    """PEM, ours."""

    mqtt_key: Path | None = None

    broker_holds: int = Field(default=1200, ge=1)
    """Messages that the broker must keep for us while none is acknowledged: tried at the start. Beyond its own bound a
    broker drops them without a word."""

    client_id: str = "conch-bridge"
    """The broker keeps what came while this one was away; two of one name push each other out."""

    share_index: int = Field(default=0, ge=0)
    """Which of `share_count` bridges this one is. Each has a spool and an outbox of its own."""

    share_count: int = Field(default=1, ge=1)
    """Bridges that share the devices, by their names. All are stopped to change it. With more than one, the index is
    part of the client id."""

    shared_group: str = Field(default="", pattern=r"^[A-Za-z0-9_-]*$")
    """A shared subscription's, at a broker that gives all of a topic to one member; another is refused. In place of
    `share_count`, with a client id for each bridge."""

    standby: bool = False
    """Wait while another bridge has the spool, then go on in its place. It has the other's settings, ports aside."""

    gateway_address: str = "127.0.0.1:8003"
    """The edge's internal listener, which holds each device to its tenant's limits; or a gateway's, without any. It
    believes the tenant we name, so it is none that others reach."""

    metrics_address: str = "127.0.0.1:8040"
    """Where /metrics is served, host:port."""

    devices_file: Path = Path("devices.json")
    """What `conch devices` writes."""

    spool_folder: Path = Path("spool")
    """Audio that was acknowledged and is not decided yet."""

    spool_max_bytes: int = Field(default=2**30, ge=2**20)
    """Of all devices; full, nothing more is acknowledged."""

    segment_bytes: int = Field(default=16 * 2**20, ge=2**16)
    """Of one file of the spool; the oldest goes when everything in it is decided."""

    max_chunk_bytes: int = Field(default=192 * 2**10, ge=2)
    """Of one message: two seconds at 48 kHz."""

    max_unacknowledged: int = Field(default=200, ge=1, le=65_535)
    """Messages that the broker may have sent us, and we have not acknowledged."""

    max_waiting_s: float = Field(default=120.0, gt=0)
    """Of audio of one device that the gateway has not been sent; then the oldest of it goes."""

    reorder_window: int = Field(default=16, ge=1)
    """Chunks that wait for one before them."""

    reorder_s: float = Field(default=1.0, gt=0)
    """And for how long."""

    idle_s: float = Field(default=30.0, gt=0)
    """Without audio for so long, a device's stream is closed; its next audio opens one again."""

    reconnect_s: float = Field(default=0.2, gt=0)
    """Before a broken stream is opened again; doubled each time, to 5 seconds."""

    speak_deadline_s: float = Field(default=30.0, gt=0)
    """For the speech of one reply."""

    outbox_file: Path = Path("outbox.db")
    """Every command that was acted on, SQLite. Who loses it may act again on audio that is sent again."""

    outbox_max_age_s: float = Field(default=7 * 86_400, gt=0)
    """Commands that are settled and older are forgotten."""

    outbox_max_commands: int = Field(default=100_000, ge=1)
    """The oldest that are settled go first."""

    actions_waiting: int = Field(default=64, ge=1)
    """Commands of one kind that wait to be acted on; then one more is refused."""

    actions_at_once: int = Field(default=8, ge=1)
    """Of one kind."""

    actions_fresh_s: float = Field(default=300.0, gt=0)
    """What was said longer ago, as before a gateway was away, is not acted on."""

    summon_by: Literal["mqtt", "webhook", "none"] = "mqtt"
    """What is done to summon a team."""

    summon_deadline_s: float = Field(default=10.0, gt=0)
    """From the decision until the broker has it; for so long a broker that is away is waited for."""

    dial_by: Literal["ari", "webhook", "none"] = "none"
    """What is done to call somebody."""

    forward_by: Literal["assistant", "none"] = "assistant"
    """Who is asked what is no command. none: no text of a question leaves, whatever assistant is set."""

    webhook_url: str = ""
    """Posted to, by what webhook is set for; outbound_urls must allow it."""

    webhook_secret: SecretStr = SecretStr("")
    """That signs: whsec_ and 24 to 64 bytes in base64, as Standard Webhooks has it."""

    webhook_deadline_s: float = Field(default=20.0, gt=0)
    """From the decision, with all attempts."""

    webhook_attempt_s: float = Field(default=5.0, gt=0)

    webhook_attempts: int = Field(default=4, ge=1, le=20)

    ari_url: str = ""
    """Of Asterisk's REST interface, as http://127.0.0.1:8088/ari; outbound_urls must allow it."""

    ari_user: str = ""

    ari_password: SecretStr = SecretStr("")

    ari_context: str = "default"
    """Of the dial plan: with `ari_extension`, where a call goes that was answered."""

    ari_extension: str = ""
    """{device} becomes the wearer's device: how the wearer's own telephone is rung."""

    ari_caller_id: str = ""
    """Shown to who is called; {device} as above."""

    ari_ring_s: int = Field(default=30, ge=1, le=600)
    """For so long a telephone rings."""

    ari_deadline_s: float = Field(default=10.0, gt=0)
    """From the decision until Asterisk has the call."""

    outbound_urls: tuple[str, ...] = ()
    """Beginnings of all URLs that may be called, beside the assistant's: ["https://hooks.example.com/conch/"]."""

    outbound_networks: tuple[IPvAnyNetwork, ...] = ()
    """That are not public and may be called by name: ["10.1.0.0/16"]. A URL that has an address in it needs none."""

    outbound_ca_file: Path | None = None
    """Certificates that are trusted in place of the usual ones, PEM."""

    assistant_url: str = ""
    """Of an OpenAI-compatible API, as http://127.0.0.1:8050/v1: what is no command is asked there. Empty: no text
    leaves the site, and the wearer is told that there is no assistant."""

    assistant_model: str = "default"

    assistant_key: SecretStr = SecretStr("")
    """Sent as a bearer token; empty: none is."""

    assistant_deadline_s: float = Field(default=15.0, gt=0)
    """From the question to its whole answer."""

    assistant_max_tokens: int = Field(default=120, ge=1)
    """A minute of speech at most; a limit that ends an answer within a sentence costs that sentence."""

    assistant_temperature: float = Field(default=0.2, ge=0, le=2)

    assistant_turns: int = Field(default=4, ge=0)
    """Questions of a session, with their answers, that go along with the next one."""

    log_level: str = "INFO"
    """Of our own lines, on stderr: DEBUG, INFO, WARNING or ERROR."""
