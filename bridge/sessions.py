"""All sessions of all devices: who has one, what a new chunk begins, and what is told of it."""

import asyncio
import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from bridge import events
from bridge.accounts import Balance, Missing
from bridge.actions.actions import Actions
from bridge.backlog import Backlog, Bounds, Loss
from bridge.chunk import Chunk, Reason, Refused
from bridge.counting import Counting
from bridge.devices import Device, Registry
from bridge.events import Decided, Told
from bridge.gateway import Gateway
from bridge.records import Mark, Spooled
from bridge.repeats import Repeats
from bridge.session import Pace, Session
from bridge.spool import Place, Spool
from bridge.telling import Telling
from conch.contracts.errors import ConchError
from conch.contracts.topics import DeviceId

logger = logging.getLogger(__name__)

PAST_SESSIONS = 8
"""Names of a device that are remembered, so that a straggler opens no session again."""


class Sessions:
    def __init__(
        self,
        spool: Spool,
        registry: Registry,
        gateway: Gateway,
        telling: Telling,
        actions: Actions,
        counting: Counting,
        bounds: Bounds,
        pace: Pace,
        repeats: Repeats,
    ) -> None:
        self.spool = spool
        self.repeats = repeats
        self._registry = registry
        self._gateway = gateway
        self._telling = telling
        self._actions = actions
        self._counting = counting
        self._bounds = bounds
        self._pace = pace
        self._current: dict[DeviceId, Session] = {}
        self._ending: set[Session] = set()
        self._idle: dict[DeviceId, Mark] = {}
        """Of devices without a session now: where their next audio goes on."""
        self._past: dict[DeviceId, deque[str]] = {}
        self._tasks: asyncio.TaskGroup

    def __len__(self) -> int:
        return len(self._current) + len(self._ending)

    async def run(self, restored: Callable[[], None]) -> None:
        """Sends what is left from before, says when all of that is known, and runs every session until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            self._restore()
            restored()
            await asyncio.get_running_loop().create_future()

    def take(self, device: Device, chunk: Chunk, is_again: bool) -> None:
        """Raises Refused, or SpoolFull: then nothing has changed."""
        self.spool.check_room(len(chunk.data))
        session = self._session_of(device, chunk)
        backlog = session.backlog
        placed = backlog.placed(chunk, is_again)
        if placed is not None:
            placed = replace(placed, came_at=time.time())
            place = self.spool.append(Spooled(device.id, placed), self.marks)
            if losses := backlog.take(placed, place):
                self.lost(backlog, losses)
        self._counting.balance(backlog)
        session.wake()
        if chunk.last and self._current.get(device.id) is session:
            del self._current[device.id]
            self._end(session)

    def forget(self, device: DeviceId) -> None:
        """Of one that was revoked nothing is kept but the session it has, which ends by itself."""
        self._idle.pop(device, None)
        self._past.pop(device, None)

    def marks(self) -> Iterator[Mark]:
        yield from self._idle.values()
        for session in (*self._ending, *self._current.values()):
            yield session.backlog.mark

    def tell(self, device: Device, session: str, told: Told) -> None:
        self._telling.tell(device.id, session, told)

    async def decided(self, backlog: Backlog, decided: Decided) -> None:
        said = decided.answer or decided.samples
        await self._actions.decided(decided, backlog.wearer, backlog.came_at(said.after))

    async def interrupted(self, backlog: Backlog) -> None:
        await self._actions.interrupted(backlog.wearer)

    def lost(self, backlog: Backlog, losses: list[Loss]) -> None:
        for loss in losses:
            logger.warning("%s: %s", backlog.device, loss)
            self._tell(backlog, events.lost(loss))
        self._tell(backlog, events.account(backlog.balance))
        self._counting.balance(backlog)
        if not all(isinstance(loss, Missing) for loss in losses):
            self.progressed(backlog)

    def progressed(self, backlog: Backlog) -> None:
        self.spool.append(backlog.mark, self.marks)

    def broke(self, backlog: Backlog, error: ConchError) -> None:
        logger.warning("%s: its stream ended: %s", backlog.device, error.message)
        self._counting.broke(backlog.device.tenant, error)
        self._tell(backlog, events.failed(error))

    def _tell(self, backlog: Backlog, told: Told) -> None:
        self._telling.tell(backlog.device, backlog.session, told)

    def _session_of(self, device: Device, chunk: Chunk) -> Session:
        current = self._current.get(device.id)
        if current is not None and chunk.session in ("", current.backlog.session):
            current.device = device
            return current
        if chunk.session and chunk.session in self._past.get(device.id, ()):
            return self._waiting_for(device, chunk)
        idle = self._idle.get(device.id)
        start = idle if idle is not None and _goes_on(idle, chunk) else _new(device, chunk)
        if current is not None:
            self._end(current)
        elif idle is not None and start is not idle:
            self._remember(device.id, idle.session)
        self._idle.pop(device.id, None)
        return self._begin(device, Backlog(start, self._bounds, self.spool.release))

    def _waiting_for(self, device: Device, chunk: Chunk) -> Session:
        """A session that is over may have heard its last chunk before one that belongs there."""
        for session in self._ending:
            backlog = session.backlog
            if session.device.id == device.id and backlog.session == chunk.session and backlog.reorders:
                return session
        raise Refused(Reason.STALE_SESSION, f"session {chunk.session} is over: another one has followed")

    def _begin(self, device: Device, backlog: Backlog) -> Session:
        session = Session(device, backlog, self._gateway, self._read, self, self._pace)
        self._current[device.id] = session
        self.progressed(backlog)
        self._tasks.create_task(self._run(session))
        return session

    def _end(self, session: Session) -> None:
        """No more comes; what it has is decided yet."""
        self._ending.add(session)
        self._remember(session.device.id, session.backlog.session)
        session.finish()

    def _remember(self, device: DeviceId, session: str) -> None:
        self._past.setdefault(device, deque(maxlen=PAST_SESSIONS)).append(session)

    async def _run(self, session: Session) -> None:
        # Its first chunk is put there by whoever made it, before this task begins.
        await session.run()
        self._tell(session.backlog, events.account(session.backlog.balance))
        self._ending.discard(session)
        if self._current.get(session.device.id) is session:
            del self._current[session.device.id]
            if self._registry.get(session.device.id) is not None:
                self._idle[session.device.id] = session.backlog.mark

    def _read(self, place: Place) -> bytes:
        record = self.spool.read(place)
        assert isinstance(record, Spooled)
        return record.chunk.data

    def _restore(self) -> None:
        marks: dict[tuple[DeviceId, str], Mark] = {}
        chunks: dict[tuple[DeviceId, str], list[tuple[Chunk, Place]]] = {}
        for record, place in self.spool.open():
            if isinstance(record, Mark):
                marks[record.device, record.session] = record
            else:
                chunks.setdefault((record.device, record.chunk.session), []).append((record.chunk, place))
                self.repeats.restore(record.device.audio, record.chunk.data)
        restored = [
            self._restore_session(mark, chunks.pop((mark.device, mark.session), []))
            for mark in sorted(marks.values(), key=lambda mark: mark.began_ns)
        ]
        for left in chunks.values():
            for _, place in left:
                self.spool.release(place)
        self.spool.begin(self.marks())
        for backlog, losses in restored:
            if losses:
                self.lost(backlog, losses)

    def _restore_session(self, mark: Mark, chunks: list[tuple[Chunk, Place]]) -> tuple[Backlog, list[Loss]]:
        """A device's sessions come in the order they began: the last one is its current one. And what is lost of it."""
        backlog = Backlog(mark, self._bounds, self.spool.release)
        losses = backlog.restore(chunks)
        device = self._registry.get(mark.device)
        if device is None:
            backlog.throw_away()
            return backlog, []
        previous = self._current.pop(mark.device, None)
        if previous is not None:
            self._end(previous)
        elif mark.device in self._idle:
            self._remember(mark.device, self._idle[mark.device].session)
        if backlog.is_empty:
            self._idle[mark.device] = backlog.mark
            return backlog, losses
        self._idle.pop(mark.device, None)
        session = Session(device, backlog, self._gateway, self._read, self, self._pace)
        self._current[mark.device] = session
        self._tasks.create_task(self._run(session))
        return backlog, losses


def _goes_on(idle: Mark, chunk: Chunk) -> bool:
    """A device that names no session goes on with its last one, as long as its format is that."""
    if not chunk.session:
        return idle.format == chunk.format
    return idle.session == chunk.session


def _new(device: Device, chunk: Chunk) -> Mark:
    session = chunk.session or str(uuid.uuid4())
    return Mark(device.id, session, chunk.format, time.time_ns(), 0, 0, Balance(sent=0))
