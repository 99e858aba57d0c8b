"""The event log, as commands find it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from conch.clients.events import EventLog
from conch.clients.kafka import KafkaEventLog
from conch.contracts.errors import Unavailable
from conch.stack.state import running_stack


def events_address(events: str, state: Path | None) -> str:
    """Where nothing is given, the running stack's. Raises NoStack, Unavailable."""
    if events:
        return events
    services = running_stack(state).services
    if "kafka" not in services:
        raise Unavailable("the stack runs without an event log; give another by --events HOST:PORT")
    return services["kafka"].addresses["kafka"]


@asynccontextmanager
async def log_at(events: str, state: Path | None) -> AsyncIterator[EventLog]:
    log = KafkaEventLog(events_address(events, state))
    try:
        yield log
    finally:
        await log.close()
