"""Put a bridge together, and run it until it is told to end."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator

from prometheus_client import start_http_server

from bridge.actions.actions import Actions, Room
from bridge.actions.outbox import Outbox
from bridge.actions.outcomes import Outcomes
from bridge.actions.site import outbound_of, ways_of
from bridge.backlog import Bounds
from bridge.broker_check import BrokerCheck, Needs
from bridge.counting import Counting
from bridge.devices import DevicesFile, Registry
from bridge.gateway import Gateway
from bridge.intake import Intake
from bridge.lease import Lease
from bridge.mqtt import Broker, Mqtt, Tls
from bridge.repeats import Repeats
from bridge.scatter_check import ScatterCheck
from bridge.session import Pace
from bridge.sessions import Sessions
from bridge.settings import Settings
from bridge.share import Share, audio_filters
from bridge.speaking import Speaking
from bridge.spool import Spool
from bridge.telling import Telling
from conch.contracts import metrics
from conch.contracts.errors import InvalidRequest

logger = logging.getLogger(__name__)

FOLLOW_S = 0.5
"""Within this time a changed devices file counts."""


class Bridge:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.counting = Counting()
        self._spool = Spool(settings.spool_folder, settings.spool_max_bytes, settings.segment_bytes)
        self._registry = Registry(DevicesFile(settings.devices_file))
        self._share = Share(settings.share_index, settings.share_count)
        self._lease = Lease(settings.spool_folder)
        self._mqtt = Mqtt(_broker(settings), audio_filters(settings.shared_group), settings.max_unacknowledged)
        self._outbox = Outbox(settings.outbox_file, settings.outbox_max_age_s, settings.outbox_max_commands)
        self._outbound = outbound_of(settings)
        self._ways = ways_of(settings, self._outbound, self._mqtt.deliver, self._registry.get)

    async def run(self) -> None:
        """Until it is cancelled. What is not decided then stands in the spool."""
        with self._metrics():
            if self._settings.standby:
                async with self._lease.awaited():
                    await self._carry()
            else:
                with self._lease.taken():
                    await self._carry()

    async def _carry(self) -> None:
        self._registry.refresh()
        self._outbox.open()
        with contextlib.closing(self._spool), contextlib.closing(self._outbox):
            async with Gateway(self._settings.gateway_address) as gateway, self._outbound:
                await self._run(gateway)

    async def _run(self, gateway: Gateway) -> None:
        settings, mqtt = self._settings, self._mqtt
        bounds = Bounds(settings.reorder_window, settings.max_waiting_s)
        pace = Pace(settings.idle_s, settings.reorder_s, settings.reconnect_s)
        repeats = Repeats(settings.max_unacknowledged)
        telling = Telling(mqtt.publish, self.counting)
        speaking = Speaking(gateway, telling, settings.speak_deadline_s)
        room = Room(settings.actions_waiting, settings.actions_at_once, settings.actions_fresh_s)
        outcomes = Outcomes(telling, speaking, self.counting)
        actions = Actions(self._ways, self._outbox, speaking, outcomes, room)
        sessions = Sessions(
            self._spool, self._registry, gateway, telling, actions, self.counting, bounds, pace, repeats
        )
        intake = Intake(
            self._registry, sessions, mqtt.acknowledge, self.counting, settings.max_chunk_bytes, self._share
        )
        self.counting.watch(metrics.BRIDGE_SESSIONS, lambda: len(sessions))
        self.counting.watch(metrics.BRIDGE_ACTIONS_WAITING, lambda: actions.waiting)
        async with asyncio.TaskGroup() as group:
            for run in (speaking.run, actions.run):
                ready = asyncio.Event()
                group.create_task(run(ready))
                await ready.wait()
            restored = asyncio.Event()
            group.create_task(sessions.run(restored.set))
            await restored.wait()
            group.create_task(intake.run())
            group.create_task(self._hear(intake))
            group.create_task(self._follow_devices(sessions))

    async def _hear(self, intake: Intake) -> None:
        """Raises BrokerUnfit."""
        settings = self._settings
        needs = Needs(settings.max_chunk_bytes, settings.max_unacknowledged, settings.broker_holds)
        fitness = await BrokerCheck(_broker(settings), needs).run()
        for words in fitness.lowered:
            logger.warning("%s", words)
        if settings.shared_group:
            await ScatterCheck(_broker(settings)).run()
        self._mqtt.limit_in_flight(fitness.in_flight)
        await self._mqtt.run(intake.take)

    async def _follow_devices(self, sessions: Sessions) -> None:
        while True:
            await asyncio.sleep(FOLLOW_S)
            try:
                gone = self._registry.refresh()
            except (InvalidRequest, OSError) as error:
                logger.warning("the devices file stays without effect: %s", error)
                continue
            for device in gone:
                self.counting.forget(device)
                sessions.forget(device)

    @contextlib.contextmanager
    def _metrics(self) -> Iterator[None]:
        self.counting.watch(metrics.BRIDGE_ACTIVE, lambda: self._lease.held)
        self.counting.watch(metrics.BRIDGE_CONNECTED, lambda: self._mqtt.connected)
        self.counting.watch(metrics.BRIDGE_UNSENT, lambda: self._mqtt.unsent)
        self.counting.watch(metrics.BRIDGE_SPOOL_BYTES, lambda: self._spool.bytes)
        host, port = self._settings.metrics_address.rsplit(":", 1)
        server, thread = start_http_server(int(port), host, self.counting.registry)
        logger.info("metrics at http://%s:%d/metrics", host, server.server_port)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


async def run(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    running = asyncio.create_task(Bridge(settings).run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _broker(settings: Settings) -> Broker:
    host, port = settings.mqtt_address.rsplit(":", 1)
    password = settings.mqtt_password.get_secret_value()
    tls = None if settings.mqtt_ca is None else Tls(settings.mqtt_ca, settings.mqtt_certificate, settings.mqtt_key)
    client_id = settings.client_id if settings.share_count == 1 else f"{settings.client_id}-{settings.share_index}"
    return Broker(host, int(port), settings.mqtt_version, client_id, settings.mqtt_user, password, tls)
