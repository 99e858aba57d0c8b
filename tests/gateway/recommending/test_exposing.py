"""The first tracked impression fixes what a user is to an experiment: over a real Redis, and while that is away."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from conch.clients.memory_events import MemoryEventLog
from conch.contracts.errors import Unavailable
from conch.contracts.events import AnyEvent, Impression, decode
from conch.contracts.experiments import Arm, Experiment
from conch.contracts.keys import CatalogueKeys
from conch.contracts.segments import NEW, RETURNING, UNKNOWN, Exposure
from conch.features.reconciling import Reconciler
from conch.stores.exposures import Exposures
from conch.stores.features import Hash, List
from conch.stores.ids import Kind
from conch.stores.redis_features import RedisFeatures
from gateway.recommending.exposing import Exposing
from gateway.recommending.tracking import Tracking
from tests.gateway.recommending.conftest import CALL, Make, Shopping

KEYS = CatalogueKeys()
SPRING = Experiment("spring", arms=(Arm("control", 0.0), Arm("treatment", 1.0)), segments=frozenset({NEW}))
LIST = str(uuid.UUID(int=7))
NOW_MS = 1_700_000_000_000


class Following:
    """Tracks, and looks what the log and the hot store have of it."""

    def __init__(self, shopping: Shopping, hot: RedisFeatures) -> None:
        self._shopping, self._hot = shopping, hot
        self.log = MemoryEventLog()
        self._tracking = Tracking(self.log, lambda: NOW_MS, exposing=Exposing(shopping.shelves, SPRING))

    async def seen(self, user: str, **fields: Any) -> None:
        await self.track([{"kind": "impression", "user": user, "pid": "p", "recommendation_id": LIST, **fields}])

    async def track(self, events: Sequence[dict[str, Any]]) -> None:
        tracked = await self._tracking.track(events, CALL)
        assert (tracked.accepted, tracked.refused) == (len(events), ())

    def views(self, user: str) -> None:
        """As the jobs that read the log write them."""
        pids = List([self._shopping.uuid(Kind.PIDS, 1)])
        Reconciler(self._shopping.stack.catalogue, self._hot).put(KEYS.views(user), pids)

    def writes(self, user: str, exposure: Exposure) -> None:
        """As another program does it, and says so."""
        Reconciler(self._shopping.stack.catalogue, self._hot).put(KEYS.segment(user), Hash(exposure.fields))

    def fixed(self, user: str) -> Exposure | None:
        return Exposures(KEYS, self._hot).of([user]).get(user)

    @property
    def logged(self) -> list[AnyEvent]:
        return [decode(record.value) for record in self.log.records]

    @property
    def segments(self) -> list[str]:
        return [event.segment for event in self.logged]


@pytest.fixture
def following(shopping_at: Make) -> Iterator[Callable[..., Following]]:
    shopping = shopping_at()
    with closing(RedisFeatures(shopping.stack.redis.address, deadline_s=30)) as hot:
        yield lambda **where: Following(shopping_at(**where) if where else shopping, hot)
        with shopping.stack.redis.client() as redis:
            for key in redis.scan_iter("*:exposed-*"):
                redis.delete(key)
            for key in redis.scan_iter("pk:{*:exposed-*}"):
                redis.delete(key)


async def test_what_the_list_was_made_for_counts_though_the_user_has_returned_since(following) -> None:
    shop = following()
    shop.views("exposed-ana")
    await shop.seen("exposed-ana", variant="treatment", segment=NEW)
    assert shop.fixed("exposed-ana") == Exposure(NEW, "spring", NOW_MS)
    await shop.seen("exposed-ana", variant="control", segment=RETURNING)
    assert shop.fixed("exposed-ana") == Exposure(NEW, "spring", NOW_MS)
    assert shop.segments == [NEW, RETURNING]


async def test_of_impressions_of_one_call_and_of_later_ones_the_earliest_counts(following) -> None:
    shop = following()
    about = {"kind": "impression", "user": "exposed-ana", "pid": "p", "recommendation_id": LIST, "variant": "control"}
    late = {**about, "segment": RETURNING, "time_ms": NOW_MS - 1}
    await shop.track([late, {**about, "segment": NEW, "time_ms": NOW_MS - 5}])
    assert shop.fixed("exposed-ana") == Exposure(NEW, "spring", NOW_MS - 5)
    await shop.track([late])
    assert shop.fixed("exposed-ana") == Exposure(NEW, "spring", NOW_MS - 5)
    await shop.track([{**late, "time_ms": NOW_MS - 9}])
    assert shop.fixed("exposed-ana") == Exposure(RETURNING, "spring", NOW_MS - 9)


async def test_who_does_not_tell_the_segment_is_told_it_and_it_agrees_with_the_variant(following) -> None:
    shop = following()
    await shop.seen("exposed-ana", variant="treatment")
    shop.views("exposed-bo")
    await shop.seen("exposed-bo", variant="control")
    # Served as new: nobody else sees the treatment.
    shop.views("exposed-cy")
    await shop.seen("exposed-cy", variant="treatment")
    assert shop.segments == [NEW, RETURNING, NEW]
    assert [shop.fixed(f"exposed-{name}").segment for name in ("ana", "bo", "cy")] == [NEW, RETURNING, NEW]
    shop.views("exposed-ana")
    await shop.seen("exposed-ana", variant="treatment")
    assert shop.segments[-1] == NEW


async def test_what_exposes_nobody_fixes_nothing(following) -> None:
    shop = following()
    await shop.seen("exposed-ana", variant="control", segment=UNKNOWN)
    await shop.seen("exposed-ana")
    await shop.seen("", session="s", variant="treatment", segment=NEW)
    await shop.seen("of two words", variant="treatment", segment=NEW)
    await shop.track([{"kind": "click", "user": "exposed-ana", "pid": "p", "variant": "treatment", "segment": NEW}])
    assert shop.fixed("exposed-ana") is None
    assert shop.segments == [UNKNOWN, "", NEW, NEW, NEW]


async def test_events_that_the_log_does_not_have_fix_nothing(following) -> None:
    shop = following()
    shop.log.refusing = Unavailable("the broker is away")
    with pytest.raises(Unavailable, match="the broker is away"):
        await shop.seen("exposed-ana", variant="treatment", segment=NEW)
    assert shop.fixed("exposed-ana") is None


async def test_a_segment_that_another_program_wrote_stands(following) -> None:
    shop = following()
    vip = Exposure("vip", "spring", NOW_MS)
    shop.writes("exposed-ana", vip)
    await shop.seen("exposed-ana", variant="treatment", segment=NEW, time_ms=NOW_MS - 5)
    await shop.seen("exposed-ana", variant="control")
    assert shop.fixed("exposed-ana") == vip
    assert shop.segments == [NEW, "vip"]


@pytest.mark.parametrize("redis", ["127.0.0.1:1", ""], ids=["away", "none"])
async def test_a_redis_that_is_away_keeps_nobody_from_tracking(following, redis) -> None:
    shop = following(redis=redis)
    await shop.seen("exposed-ana", variant="treatment", segment=NEW)
    await shop.seen("exposed-ana", variant="treatment")
    assert shop.segments == [NEW, ""]
    assert all(isinstance(event, Impression) for event in shop.logged)
    assert shop.fixed("exposed-ana") is None
