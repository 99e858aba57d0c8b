"""Put one gateway process together, and run it until it is told to stop. The only place that builds things."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import grpc
import uvicorn

from conch.clients.analytics import Analytics, FileAnalytics
from conch.clients.events import EventLog
from conch.clients.faults import Faults
from conch.clients.inference import Inference
from conch.clients.kafka import KafkaEventLog
from conch.clients.on_demand import read_on_demand
from conch.clients.triton import TritonInference
from conch.contracts.errors import Unavailable
from conch.edge.clusters import IDLE_S
from conch.tracing import spans_to
from gateway.addresses import Addresses, address_of, bound
from gateway.admission import Admission
from gateway.any_model import AnyModel
from gateway.catalogue import Catalogue
from gateway.embedding import TextEmbedding
from gateway.health import Health, ModelHealth
from gateway.http.face import http_face
from gateway.limits import Limits
from gateway.listening.bounds import Bounds
from gateway.listening.endpointing import Endpointing
from gateway.listening.listening import Listening
from gateway.metrics import Metrics
from gateway.observed import ObservedInference
from gateway.permitted import PermittedInference
from gateway.reception import Deadlines, Reception
from gateway.recommending.recommendations import Recommendations
from gateway.recommending.shelf import Shelves
from gateway.rpc.health import HealthServicer
from gateway.rpc.kserve import KServeHealth
from gateway.rpc.recommend import Recommend
from gateway.rpc.server import Servicers, grpc_server
from gateway.rpc.text import Text
from gateway.rpc.voice import Voice
from gateway.scrape import Scrape, parts_of
from gateway.settings import Settings
from gateway.speaking import Speaking
from gateway.transcription import Transcription
from gateway.turns import TakingTurns
from gateway.understanding import CommandUnderstanding
from gateway.use_cases import UseCases

logger = logging.getLogger(__name__)

BACKLOG = 512


class Gateway:
    """Both faces of one process. `async with` starts them; leaving it drains."""

    def __init__(self, settings: Settings, inference: Inference, events: EventLog | None = None) -> None:
        """`events` None: the log that the settings name."""
        metrics = Metrics(shared=settings.processes > 1)
        self._spans = spans_to(settings.otlp_endpoint, "conch-gateway")
        taking_turns = TakingTurns(inference, settings.models_at_once)
        observed = ObservedInference(taking_turns, metrics.asked, spans=self._spans)
        permitted = PermittedInference(observed)
        limits = _limits(settings)
        reception = Reception(
            _deadlines(settings),
            metrics,
            Admission(settings.max_calls),
            {"Transcribe": Admission(settings.max_transcriptions, "transcriptions")},
            {"Listen": Admission(settings.max_listen_sessions, "sessions")},
            self._spans,
        )
        understanding = CommandUnderstanding(permitted, limits, timed=metrics.stage)
        self._listening = _listening(settings, permitted, understanding, limits, metrics)
        self._shelves = Shelves.at(settings.catalogues, settings.redis_address)
        self._events = events or (KafkaEventLog(settings.events_address) if settings.events_address else None)
        self._analytics = _analytics(settings)
        use_cases = UseCases(
            Transcription(permitted, limits, metrics, in_flight=settings.transcription_in_flight),
            understanding,
            Speaking(permitted, limits),
            TextEmbedding(permitted, limits),
            Catalogue(observed, partial(read_on_demand, Path(settings.on_demand)) if settings.on_demand else tuple),
            AnyModel(permitted, keep_s=settings.metadata_keep_s),
            self._listening,
            Recommendations.of(permitted, self._shelves, settings.scenarios, self._events, self._analytics),
        )
        faults = Faults(Path(settings.faults)) if settings.faults else None
        models = ModelHealth(observed, faults, keep_s=settings.health_keep_s, deadline_s=settings.health_deadline_s)
        self._settings = settings
        self._health = Health(models, vital=settings.vital)
        self._grpc = _grpc_server(settings, reception, limits, use_cases, self._health)
        self._http = _HttpServer(
            uvicorn.Config(
                http_face(
                    reception,
                    limits,
                    use_cases,
                    self._health,
                    metrics,
                    Scrape(parts_of(settings.scrape_tritons, settings.scrape_edge, settings.scrape_rollout)),
                    body_within_s=settings.body_deadline_s,
                ),
                lifespan="off",
                access_log=False,
                log_config=None,
                server_header=False,
                # Longer than the edge keeps one that is idle.
                timeout_keep_alive=2 * IDLE_S,
                timeout_graceful_shutdown=max(1, round(settings.drain_grace_s)),
            )
        )

    async def serve(self, stop: asyncio.Event, listening: "asyncio.Future[Addresses] | None" = None) -> None:
        """Until `stop` is set and the last call has ended; `listening` is told where, once calls are taken."""
        settings = self._settings
        http_socket = bound(settings.http_address, share_port=settings.processes > 1)
        try:
            addresses = Addresses(_listen_grpc(self._grpc, settings.grpc_address), address_of(http_socket))
        except Unavailable:
            http_socket.close()
            raise
        http_socket.listen(BACKLOG)
        await self._grpc.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._http.serve([http_socket]))
            logger.info("listening grpc=%s http=%s triton=%s", addresses.grpc, addresses.http, settings.triton_address)
            if listening is not None:
                listening.set_result(addresses)
            await stop.wait()
            logger.info("draining notice_s=%s grace_s=%s", settings.drain_notice_s, settings.drain_grace_s)
            self._health.drain()
            self._listening.drain()
            await asyncio.sleep(settings.drain_notice_s)
            self._http.should_exit = True
            await self._grpc.stop(settings.drain_grace_s)
        if self._events is not None:
            await self._events.close()
        if self._analytics is not None:
            await asyncio.to_thread(self._analytics.close)
        self._shelves.close()
        await asyncio.to_thread(self._spans.close)
        logger.info("drained")


async def run(settings: Settings) -> None:
    """One process, from here to SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with TritonInference(settings.triton_address) as inference:
        await Gateway(settings, inference).serve(stop)


class _HttpServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's affair: both faces drain together."""
        yield


def _grpc_server(
    settings: Settings, reception: Reception, limits: Limits, use_cases: UseCases, health: Health
) -> grpc.aio.Server:
    servicers = Servicers(
        Voice(reception, limits, use_cases),
        Text(reception, use_cases.embedding),
        Recommend(reception, use_cases.recommendations),
        HealthServicer(health),
        KServeHealth(health),
    )
    return grpc_server(
        servicers, reception, most_audio_bytes=settings.max_audio_bytes, share_port=settings.processes > 1
    )


def _listen_grpc(server: grpc.aio.Server, address: str) -> str:
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise Unavailable(f"{address} cannot be listened at: {error}") from None
    return f"{address.rpartition(':')[0]}:{port}"


def _limits(settings: Settings) -> Limits:
    return Limits(
        audio_bytes=settings.max_audio_bytes,
        audio_s=settings.max_audio_s,
        command_s=settings.max_command_s,
        command_bytes=settings.max_command_bytes,
        speak_bytes=settings.max_speak_bytes,
        embed_bytes=settings.max_embed_bytes,
        embed_texts=settings.max_embed_texts,
        prompt_bytes=settings.max_prompt_bytes,
        infer_bytes=settings.max_infer_bytes,
        infer_rows=settings.max_infer_rows,
    )


def _listening(
    settings: Settings, inference: Inference, understanding: CommandUnderstanding, limits: Limits, metrics: Metrics
) -> Listening:
    return Listening(
        inference,
        understanding,
        limits,
        metrics,
        bounds=Bounds(
            buffer_s=settings.listen_buffer_s,
            stall_s=settings.listen_stall_s,
            idle_s=settings.listen_idle_s,
            answer_s=settings.listen_answer_s,
            partial_every_s=settings.listen_partial_every_s,
        ),
        endpointing=Endpointing(
            pre_roll_s=settings.listen_pre_roll_s,
            silence_s=settings.listen_silence_s,
            longest_s=settings.listen_longest_s,
        ),
    )


def _analytics(settings: Settings) -> Analytics | None:
    if key := settings.amplitude_key.get_secret_value():
        # Imported here: who does not tell Amplitude need not have its library.
        try:
            from conch.clients.amplitude import AmplitudeAnalytics
        except ImportError:
            raise Unavailable("amplitude-analytics is not installed: pip install 'conch[recommendation]'") from None
        return AmplitudeAnalytics(key, settings.amplitude_url)
    return FileAnalytics(Path(settings.analytics_file)) if settings.analytics_file else None


def _deadlines(settings: Settings) -> Deadlines:
    return Deadlines(
        transcribe_s=settings.transcribe_deadline_s,
        understand_s=settings.understand_deadline_s,
        speak_s=settings.speak_deadline_s,
        embed_s=settings.embed_deadline_s,
        infer_s=settings.infer_deadline_s,
    )
