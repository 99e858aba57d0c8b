"""What is done so that a user is forgotten, store by store, and what of it is left to do."""

import time
from dataclasses import dataclass

from conch.clients.analytics import FileAnalytics
from conch.clients.events import EventLog, Record
from conch.clients.privacy import Deletion, Privacy
from conch.contracts.errors import ConchError, InvalidRequest
from conch.contracts.events import FORGOTTEN, Forgotten, encode
from conch.contracts.identifiers import LONGEST_KEY
from conch.contracts.keys import CatalogueKeys
from conch.stores.features import HotFeatures


@dataclass(frozen=True, slots=True)
class Erased:
    tombstone_ms: int
    """Records of the user up to then stay in the log for as long as it keeps any; who reads it leaves them out."""
    redis_keys: int
    """Of the user, in both forms, and of lists that were served to him."""
    analytics_events: int | None
    """None: there is no such file."""
    amplitude: Deletion | None
    """None: it is told of nobody, or was not asked."""
    left: tuple[str, ...] = ()
    """What was not done, and why. Erasure may be asked for again."""


@dataclass(frozen=True, slots=True)
class Erasure:
    log: EventLog
    hot: HotFeatures
    analytics: FileAnalytics | None = None
    privacy: Privacy | None = None

    async def of(self, keys: CatalogueKeys, user: str) -> Erased:
        """Raises ConchError where the log does not take the tombstone or the hot store does not answer; a tombstone
        that was written stays."""
        names = _names(keys, user)
        tombstone = Forgotten(catalogue=keys.catalogue, user=user, time_ms=time.time_ns() // 1_000_000)
        record = Record(FORGOTTEN, tombstone.key, encode(tombstone), tombstone.time_ms)
        # First the tombstone: what is read again from the log after this is not taken up.
        (failed,) = await self.log.append([record])
        if failed is not None:
            raise failed
        names += self.hot.scan_packed(keys.served_to(user))
        self.hot.delete(names)
        left = []
        events = deletion = None
        try:
            events = self.analytics.forget(keys.catalogue, user) if self.analytics is not None else None
        except ConchError as error:
            left.append(f"analytics file: {error.message}")
        try:
            deletion = await self.privacy.forget(keys.catalogue, user) if self.privacy is not None else None
        except ConchError as error:
            left.append(f"Amplitude: {error.message}")
        return Erased(tombstone.time_ms, len(names), events, deletion, tuple(left))


def _names(keys: CatalogueKeys, user: str) -> list[str]:
    """Documented keys of the user. An event's user may be anything: of an id with blanks or braces there are none."""
    if not 1 <= len(user) <= LONGEST_KEY:
        raise InvalidRequest(f"the user's id has {len(user)} characters, it must have 1 to {LONGEST_KEY}")
    try:
        return list(keys.of_user(user))
    except InvalidRequest:
        return []
