"""First exposures, of impressions that were tracked: what an experiment with segments goes by from then on.

The log has them first, and is what counts; the hot store is told of them so that serving agrees with it.
"""

import logging
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.contracts.events import AnyEvent, Impression
from conch.contracts.experiments import Experiment
from conch.contracts.segments import UNKNOWN, Exposure, first
from conch.recommendation.segmenting import segment_in
from conch.stores.attempts import Damaged
from conch.stores.exposures import Exposures
from gateway.recommending.shelf import Shelf, Shelves

logger = logging.getLogger(__name__)


class Exposing:
    def __init__(self, shelves: Shelves, experiment: Experiment) -> None:
        """`experiment` has segments."""
        self._shelves, self._experiment = shelves, experiment

    async def named(self, events: Sequence[AnyEvent], catalogue: str) -> Sequence[AnyEvent]:
        """With the segment, as far as it can be found, of impressions that do not tell it. All are of one catalogue."""
        try:
            shelf = await self._shelves.of(catalogue)
        except Damaged:
            return events
        asking = [event for event in events if _is_exposure(event) and not event.segment and _has_key(shelf, event)]
        if not asking:
            return events
        found = await self._shelves.aside(lambda: self._segments(shelf, asking))
        return [replace(event, segment=found[event.id]) if event.id in found else event for event in events]

    async def tell(self, events: Sequence[AnyEvent], catalogue: str) -> None:
        """Of what the log has. Where the hot store is away the next impression is told as the first."""
        try:
            shelf = await self._shelves.of(catalogue)
        except Damaged:
            return  # the log has them
        hot, exposures = shelf.stock.hot, self._exposures([event for event in events if _has_key(shelf, event)])
        if hot is None or not exposures:
            return
        store = Exposures(shelf.keys, hot)
        try:
            await self._shelves.aside(lambda: shelf.stock.breaker.run(lambda: store.tell(exposures)))
        except Unavailable as error:
            logger.warning("first exposures of %d users are in the log alone: %s", len(exposures), error.message)

    def _exposures(self, events: Sequence[AnyEvent]) -> Mapping[str, Exposure]:
        found: dict[str, Exposure] = {}
        for event in sorted(events, key=lambda event: (event.time_ms, event.id)):
            if _is_exposure(event) and event.segment not in ("", UNKNOWN):
                told = Exposure(event.segment, self._experiment.name, event.time_ms)
                found[event.user] = first(found.get(event.user), told)
        return found

    def _segments(self, shelf: Shelf, events: Sequence[AnyEvent]) -> Mapping[str, str]:
        """By the event's id."""
        with shelf.stock.reading:
            shoppers = shelf.stock.reader.shoppers([event.user for event in events])
        found: dict[str, str] = {}
        for event, profile, exposure in zip(events, shoppers.profiles, shoppers.exposures, strict=True):
            now = segment_in(self._experiment, profile, exposure, is_all=shoppers.are_all)
            stands = exposure is not None and exposure.experiment == self._experiment.name
            if now != UNKNOWN:
                found[event.id] = now if stands else self._experiment.segment_shown(event.user, event.variant, now)
        return found


def _is_exposure(event: AnyEvent) -> bool:
    return isinstance(event, Impression) and bool(event.user and event.variant)


def _has_key(shelf: Shelf, event: AnyEvent) -> bool:
    """Of others no list was made either."""
    try:
        return bool(shelf.keys.segment(event.user))
    except InvalidRequest:
        return False
