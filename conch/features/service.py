"""The process that keeps the features of every catalogue of a host."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from conch.contracts.errors import ConchError, InvalidRequest, Unavailable
from conch.stores import generations
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.durable import relations_of
from conch.stores.features import HotFeatures
from conch.stores.published_rollups import PublishedRollups
from conch.stores.redis_features import RedisFeatures

if TYPE_CHECKING:
    from conch.features.keeping import Keeper

WAIT_S = 0.25
"""For a message; then a step."""

DEADLINE_S = 5.0
"""Nobody waits for it, and a wave has hundreds of keys."""

AT_ONCE = 500
"""Messages between two steps; keys that were touched are packed together."""

logger = logging.getLogger(__name__)


class Service:
    """Idle where no catalogue is; one that is made while it runs is taken up."""

    def __init__(
        self, catalogues: Path, redis: str, heartbeat: Callable[[], None], pause: Callable[[float], object]
    ) -> None:
        """`redis` is host:port. `heartbeat` is called at least every few seconds; `pause` waits, and may end early."""
        self._catalogues, self._redis = catalogues, redis
        self._heartbeat, self._pause = heartbeat, pause
        self._keepers: dict[str, Keeper] = {}
        self._touched: dict[str, list[str]] = {}
        self._listening: HotFeatures | None = None
        self._messages: Iterator[tuple[str, str]] | None = None

    def run(self, stopping: Callable[[], bool]) -> None:
        while not stopping():
            self._heartbeat()
            self._take_up()
            self._hear()
            for name, keeper in self._keepers.items():
                try:
                    keeper.touched(self._touched.pop(name, []))
                    keeper.step()
                except ConchError as error:
                    logger.error("catalogue %s: %s", name, error.message)
                    self._pause(WAIT_S)

    def close(self) -> None:
        if self._listening is not None:
            self._listening.close()
        for keeper in self._keepers.values():
            keeper.close()

    def _take_up(self) -> None:
        new = [folder for folder in CatalogueFolder.all(self._catalogues) if folder.name not in self._keepers]
        # One that is being made for the first time has no snapshot: what is packed without it would name no master.
        for folder in (one for one in new if generations.current(one.snapshot)):
            try:
                self._keepers[folder.name] = self._keeper(folder)
            except ConchError as error:
                logger.warning("catalogue %s is not kept yet: %s", folder.name, error.message)
                continue
            logger.info("catalogue %s is kept", folder.name)
            self._messages = None

    def _hear(self) -> None:
        """Until there is no more for now, or much."""
        if not self._keepers:
            self._pause(WAIT_S)
            return
        try:
            if self._messages is None:
                self._messages = self._subscribed()
            for channel, message in islice(self._messages, AT_ONCE):
                if not channel:
                    return
                self._note(channel, message)
        except Unavailable:
            self._pause(WAIT_S)

    def _subscribed(self) -> Iterator[tuple[str, str]]:
        if self._listening is None:
            self._listening = RedisFeatures(self._redis, deadline_s=DEADLINE_S)
        keys = [keeper.folder.keys for keeper in self._keepers.values()]
        channels = [channel for one in keys for channel in (one.features_changed, one.promos_changed)]
        return self._listening.messages(channels, WAIT_S)

    def _note(self, channel: str, message: str) -> None:
        for name, keeper in self._keepers.items():
            keys = keeper.folder.keys
            if channel == keys.features_changed:
                self._touched.setdefault(name, []).append(message)
            elif channel == keys.promos_changed:
                try:
                    keeper.promos([keys.promo(message)])
                except InvalidRequest as error:
                    logger.warning("%s: %s", channel, error.message)

    def _keeper(self, folder: CatalogueFolder) -> "Keeper":
        # Only where there is a catalogue: its kernels' compiler costs 80 MB.
        from conch.features.keeping import Keeper
        from conch.features.plain import features_of

        return Keeper(
            folder,
            features_of(folder, RedisFeatures(self._redis, deadline_s=DEADLINE_S)),
            relations_of(folder, deadline_s=DEADLINE_S),
            partial(PublishedRollups, folder.published_rollups),
            beat=self._heartbeat,
        )
