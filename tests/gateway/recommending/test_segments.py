"""An experiment of new users alone, from the first list to the report: over the real models and a real Redis."""

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from conch.clients.memory_events import MemoryEventLog
from conch.contracts.errors import NotFound
from conch.contracts.events import EVENTS, decode
from conch.contracts.keys import CatalogueKeys
from conch.contracts.recommendation import Recommendation, Wish
from conch.contracts.segments import NEW, RETURNING, UNKNOWN
from conch.features.reconciling import Reconciler
from conch.models.candidates import NO_SEGMENTS
from conch.recommendation.outcomes import report, report_by_segment
from conch.stores.features import List
from conch.stores.ids import Kind
from conch.stores.redis_features import RedisFeatures
from gateway.recommending.recommendations import Recommendations
from gateway.recommending.shelf import Shelves
from tests.gateway.recommending.conftest import CALL, Shopping
from tests.made_up_shop import ShopStack
from tests.recommend_twin import RecommendTwin

FILE = """
[widgets.home]
ranking = { k = 5, seller_cap = 5 }
[experiment]
name = "spring"
segments = ["new"]
arms.control.share = 0.0
arms.treatment = { share = 1.0, mix = { semantic = 0.1, category = 0.9 }, ranking = { k = 7, seller_cap = 6 } }
"""
SHORT, LONG = 5, 7
"""Items on a page of the control and of the treatment."""

KEYS = CatalogueKeys()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("spring") / "scenarios.toml"
    file.write_text(FILE)
    return file


@pytest.fixture(scope="module")
def spring(shop_stack: ShopStack, file: Path) -> Iterator[RecommendTwin]:
    with closing(RecommendTwin(shop_stack.environment, file)) as twin:
        yield twin


class Shopper:
    def __init__(self, shop: "Spring") -> None:
        self.user = f"shopper-{uuid.uuid4()}"
        self._shop = shop

    async def asks(self, **wish: object) -> Recommendation:
        recommending = self._shop.use_cases.recommending
        return await recommending.recommend(Wish(user=self.user, **wish), CALL)  # type: ignore[arg-type]

    def views(self) -> None:
        """As the jobs that read the log write them."""
        hot = self._shop.hot
        Reconciler(self._shop.shopping.stack.catalogue, hot).put(
            KEYS.views(self.user), List([self._shop.shopping.uuid(Kind.PIDS, pid) for pid in range(5)])
        )

    async def sees(self, answer: Recommendation) -> None:
        about = {"kind": "impression", "user": self.user, "session": "s", "pid": answer.items[0].pid}
        about |= {name: asdict(answer)[name] for name in ("recommendation_id", "variant", "segment")}
        assert (await self._shop.use_cases.tracking.track([about], CALL)).accepted == 1


class Spring:
    def __init__(self, shopping: Shopping, twin: RecommendTwin, file: Path) -> None:
        self.shopping = shopping
        self.events = MemoryEventLog()
        self.use_cases = Recommendations.of(twin.inference, shopping.shelves, str(file), self.events)
        self.hot = RedisFeatures(shopping.stack.redis.address, deadline_s=30)

    def reported(self) -> list[tuple[str, str, int]]:
        events = [decode(record.value) for record in self.events.read(EVENTS, 1.0)]
        assert sum(one.users for one in report(events, "control")) == sum(
            one.users for one in report_by_segment(events, "control")
        )
        return [(one.segment, one.variant, one.users) for one in report_by_segment(events, "control")]


@pytest.fixture
def shop(shopping: Shopping, spring: RecommendTwin, file: Path) -> Iterator[Spring]:
    shop = Spring(shopping, spring, file)
    yield shop
    with shopping.stack.redis.client() as redis:
        redis.delete(*redis.scan_iter("*shopper-*"), "none")
    shop.hot.close()


async def test_who_was_new_at_the_first_exposure_stays_so_after_views_at_serving_and_in_the_report(shop) -> None:
    ana, bo = Shopper(shop), Shopper(shop)
    first = await ana.asks()
    assert (first.variant, first.segment, len(first.items), first.degraded) == ("treatment", NEW, LONG, ())
    # The views are known before the impression is.
    ana.views()
    await ana.sees(first)
    again = await ana.asks()
    assert (again.variant, again.segment, len(again.items)) == ("treatment", NEW, LONG)
    assert again.items != first.items
    await ana.sees(again)
    bo.views()
    await bo.sees(await bo.asks())
    assert shop.reported() == [(NEW, "treatment", 1), (RETURNING, "control", 1)]


async def test_who_saw_nothing_is_what_is_known_by_then(shop) -> None:
    ana = Shopper(shop)
    assert (await ana.asks()).segment == NEW
    ana.views()
    answer = await ana.asks()
    assert (answer.variant, answer.segment, len(answer.items)) == ("control", RETURNING, SHORT)


async def test_a_list_is_what_it_is_where_its_variant_is_named(shop) -> None:
    ana = Shopper(shop)
    ana.views()
    for k in (0, 30):
        answer, named = await ana.asks(k=k), await ana.asks(k=k, variant="control")
        assert answer.items == named.items
        pages = [await ana.asks(k=k, recommendation_id=one.recommendation_id, offset=10) for one in (answer, named)]
        assert pages[0].items == pages[1].items


async def test_the_pages_of_a_list_are_of_its_variant_whatever_the_user_has_become(shop) -> None:
    ana = Shopper(shop)
    first = await ana.asks()
    ana.views()
    page = await ana.asks(recommendation_id=first.recommendation_id, offset=LONG)
    assert (page.variant, page.segment, len(page.items), page.more) == ("treatment", NEW, LONG, True)
    assert {item.pid for item in page.items}.isdisjoint(item.pid for item in first.items)
    # Four pages of the variant's own size, not of the longest there is.
    control = await ana.asks()
    last = await ana.asks(recommendation_id=control.recommendation_id, offset=3 * SHORT)
    assert (last.variant, len(last.items), last.more) == ("control", SHORT, False)
    with pytest.raises(NotFound, match="was served to this user"):
        await Shopper(shop).asks(recommendation_id=first.recommendation_id)
    with pytest.raises(NotFound, match="was served to this user"):
        await ana.asks(recommendation_id=first.recommendation_id, variant="control")


async def test_nobody_we_know_sees_the_control_and_is_nothing(shop) -> None:
    answer = await shop.use_cases.recommending.recommend(Wish(), CALL)
    assert (answer.variant, answer.segment, len(answer.items)) == ("control", "", SHORT)
    page = await shop.use_cases.recommending.recommend(Wish(recommendation_id=answer.recommendation_id), CALL)
    assert (page.variant, page.segment, page.items) == ("control", "", answer.items)


async def test_while_redis_is_away_the_control_is_served_and_exposes_nobody(shop, shop_stack, file) -> None:
    ana = Shopper(shop)
    environment = {**shop_stack.environment, "CONCH_REDIS_ADDRESS": "127.0.0.1:1"}
    with closing(RecommendTwin(environment, file)) as away, closing(Shelves(shop_stack.catalogues, None)) as shelves:
        use_cases = Recommendations.of(away.inference, shelves, str(file), shop.events)
        answer = await use_cases.recommending.recommend(Wish(user=ana.user), CALL)
    assert (answer.variant, answer.segment, len(answer.items)) == ("control", UNKNOWN, SHORT)
    assert NO_SEGMENTS in answer.degraded
    await ana.sees(answer)
    assert shop.reported() == []
    found = await ana.asks()
    assert (found.variant, found.segment) == ("treatment", NEW)
    await ana.sees(found)
    assert shop.reported() == [(NEW, "treatment", 1)]


async def test_an_event_as_it_is_logged_tells_variant_and_segment(shop) -> None:
    ana = Shopper(shop)
    await ana.sees(await ana.asks())
    (record,) = shop.events.read(EVENTS, 1.0)
    logged = json.loads(record.value)
    assert (logged["variant"], logged["segment"]) == ("treatment", NEW)
