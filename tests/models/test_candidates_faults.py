"""Candidates while stores are killed, frozen, slow, flushed and away: answers come, say so, and are whole again."""

import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from conch.catalogue.generating import generate
from conch.catalogue.made import Order
from conch.contracts.errors import Unavailable
from conch.contracts.features import LAYOUTS, Family, Packed, Stamp, pack
from conch.contracts.provenance import Source
from conch.features.reconciling import Reconciler
from conch.models.base import Arrays
from conch.models.candidates import Candidates
from conch.models.shop import Shops
from conch.recommendation.scenarios import Scenarios
from conch.stores import breaker
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.features import List, Write
from conch.stores.ids import IdIndex, Kind
from conch.stores.memory_relations import MemoryRelations
from conch.stores.reading import EMPTIED, FROM_DURABLE, FROM_SNAPSHOT, NO_DURABLE, NO_PROFILES
from conch.stores.redis_features import RedisFeatures
from tests.made_up_shop import ShopStack, filled_again, made_up_shop
from tests.models.test_candidates import row, said
from tests.recommendation.whole_oracle import Wish
from tests.redis_server import running_redis
from tests.settling import becomes

SCENARIOS = Scenarios.read()
USER = Wish(user="user-1")
WAIT_S = 60.0


class Away(MemoryRelations):
    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        raise Unavailable("the durable store is away")


@pytest.fixture
def own(tmp_path) -> Iterator[ShopStack]:
    """To be broken."""
    with made_up_shop(tmp_path, masters=300) as stack:
        yield stack


def shopping(own: ShopStack, durable=None) -> Candidates:
    shops = Shops(own.catalogues, own.redis.address, *([lambda _: durable] if durable else []))
    return Candidates(shops, SCENARIOS)


def item_of(own: ShopStack) -> Wish:
    """Somebody beside an item that has relations."""
    hot = RedisFeatures(own.redis.address, deadline_s=30)
    first = min(hot.scan("master:sem:*"))
    hot.close()
    return Wish(user="user-1", item=first.removeprefix("master:sem:"))


def asked(model: Candidates, *wishes: Wish) -> Sequence[Arrays]:
    """Fails where an answer does not come at all."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(model.predict, [row(wish) for wish in wishes]).result(WAIT_S)


def degraded(answer: Arrays) -> set[str]:
    return set(answer["degraded"].tolist())


def of_relations(answer: Arrays) -> int:
    return int((answer["sources"] & Source.SEMANTIC != 0).sum())


def test_redis_killed_and_back(own, tmp_path):
    beside, model = item_of(own), shopping(own)
    (before,) = asked(model, beside)
    own.redis.process.kill()
    own.redis.process.wait()
    (away,) = asked(shopping(own), beside)
    assert degraded(away) == {NO_PROFILES, FROM_DURABLE}
    # The item is known to the caller: what it is related to still comes, from the durable store.
    assert of_relations(away) > 0
    with running_redis(tmp_path, port=own.redis.port):
        assert becomes(lambda: degraded(asked(model, beside)[0]), {EMPTIED}) == {EMPTIED}
        filled_again(own)
        assert becomes(lambda: degraded(asked(model, beside)[0]), set()) == set()
    assert degraded(before) == set()
    model.close()


@pytest.mark.parametrize("how", ["frozen", "slow"])
def test_a_redis_that_does_not_answer_in_time_holds_nobody_up_and_is_left_alone_for_a_while(own, how):
    beside, model = item_of(own), shopping(own)
    (whole,) = asked(model, beside)
    with own.redis.client() as redis:
        if how == "slow":
            redis.execute_command("CLIENT", "PAUSE", 2_000, "ALL")
        else:
            own.redis.process.send_signal(signal.SIGSTOP)
    answers = [asked(model, beside, USER) for _ in range(3 * breaker.FAILURES)]
    assert degraded(answers[0][0]) >= {NO_PROFILES}
    assert all(len(answer["masters"]) for some in answers for answer in some)
    own.redis.process.send_signal(signal.SIGCONT)
    assert becomes(lambda: degraded(asked(model, beside)[0]), set()) == set()
    assert said(asked(model, beside)[0]) == said(whole)
    model.close()


def test_redis_flushed_leaves_relations_and_nobody_s_past_and_says_so_until_it_is_filled(own):
    beside, model = item_of(own), shopping(own)
    (whole,) = asked(model, USER)
    assert whole["fallback"].item() == ""
    with own.redis.client() as redis:
        redis.flushall()
    nobody, item = asked(model, USER, beside)
    assert nobody["fallback"].item() == "best_sellers"
    assert of_relations(item) > 0
    assert degraded(nobody) == degraded(item) == {EMPTIED}
    filled_again(own)
    assert degraded(asked(model, beside)[0]) == set()
    model.close()


def test_redis_full_serves_what_it_has_and_its_writers_are_told(own):
    beside, model = item_of(own), shopping(own)
    (whole,) = asked(model, beside)
    user = own.catalogue.keys.views("user-1")
    with own.redis.client() as redis, closing(RedisFeatures(own.redis.address, deadline_s=30)) as hot:
        redis.config_set("maxmemory", "1mb")
        with pytest.raises(Unavailable, match="maxmemory"):
            Reconciler(own.catalogue, hot).put(user, List([]))
        again = shopping(own)
        assert said(asked(again, beside)[0]) == said(whole)
        assert degraded(asked(again, beside)[0]) == set()
        redis.config_set("maxmemory", "0")
        Reconciler(own.catalogue, hot).put(user, List([]))
    again.close()
    model.close()


def test_both_slow_are_waited_for_no_longer_than_the_widget_says(own, tmp_path):
    class Slow(MemoryRelations):
        waited: ClassVar[list[float]] = []

        def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
            assert within_s is not None
            self.waited.append(within_s)
            raise Unavailable("not in time")

    file = tmp_path / "widgets.toml"
    file.write_text("[widgets.home]\ntimeout_ms = 60\n[experiment.arms.control]\nshare = 1.0\n")
    model = Candidates(Shops(own.catalogues, own.redis.address, lambda _: Slow()), Scenarios.read(file))
    beside = item_of(own)
    own.redis.process.send_signal(signal.SIGSTOP)
    (answer,) = asked(model, beside)
    own.redis.process.send_signal(signal.SIGCONT)
    assert degraded(answer) == {NO_PROFILES, FROM_SNAPSHOT}
    assert of_relations(answer) > 0
    assert max(Slow.waited, default=0.0) <= 0.03
    model.close()


def test_answers_of_a_redis_that_comes_late_are_nobody_else_s(own):
    shoppers = [Wish(user=f"user-{number}") for number in range(6)]
    model = shopping(own)
    whole = [said(answer) for answer in asked(model, *shoppers)]
    strangers = said(asked(model, Wish())[0])
    own_answers = 0
    with own.redis.client() as redis:
        for turn in range(24):
            if turn % 8 == 2:
                # Longer than a wave waits: what was asked is answered, to nobody, when the pause ends.
                redis.execute_command("CLIENT", "PAUSE", 250, "ALL")
            place = turn % len(shoppers)
            (answer,) = asked(model, shoppers[place])
            assert said(answer) == (strangers if NO_PROFILES in degraded(answer) else whole[place])
            own_answers += NO_PROFILES not in degraded(answer)
        assert own_answers
        assert becomes(lambda: degraded(asked(model, USER)[0]), set()) == set()
    assert [said(asked(model, shopper)[0]) for shopper in shoppers] == whole
    model.close()


POISON = [np.nan, np.inf, -np.inf, 1.0]


@pytest.mark.parametrize("family", [Family.SEMANTIC, Family.MASTER_CO_VIEW, Family.RECENT_CATEGORIES])
def test_weights_that_are_no_numbers_spoil_no_answer(own, family):
    beside, keys = item_of(own), own.catalogue.keys
    key = {
        Family.SEMANTIC: keys.semantic(beside.item),
        Family.MASTER_CO_VIEW: keys.master_co_view(beside.item),
        Family.RECENT_CATEGORIES: keys.recent_categories("user-1"),
    }[family]
    scores = "weights" if family is Family.RECENT_CATEGORIES else "scores"
    columns = {name: np.arange(len(POISON)).astype(kind) for name, kind in LAYOUTS[family].columns.items()}
    blob = pack(Packed(family, columns | {scores: np.array(POISON, np.float32)}, 1, Stamp(9, 2**62)))
    with closing(RedisFeatures(own.redis.address, deadline_s=30)) as hot:
        assert hot.write([Write(key, blob)]) == [True]
    model = shopping(own)
    (answer,) = model.predict([row(beside, variant="treatment")])
    assert len(answer["masters"])
    assert np.isfinite(answer["scores"]).all()
    assert np.isfinite(answer["parts"]).all()
    assert 0 < answer["scores"].max() <= 1
    model.close()


def test_the_durable_store_away_is_told_of_where_redis_lacks_something(own):
    beside = Wish(item=item_of(own).item)
    model = shopping(own, Away())
    assert degraded(asked(model, beside)[0]) == set()
    with own.redis.client() as redis:
        redis.flushall()
    (answer,) = asked(shopping(own, Away()), beside)
    assert NO_DURABLE in degraded(answer)
    assert len(answer["masters"]) > 0
    model.close()


def test_both_away_leave_the_last_snapshot(own):
    beside = item_of(own)
    own.redis.process.kill()
    model = shopping(own, Away())
    for _ in range(2 * breaker.FAILURES):
        (answer,) = asked(model, beside)
        assert degraded(answer) == {NO_PROFILES, FROM_SNAPSHOT}
        assert of_relations(answer) > 0
    model.close()


def test_a_durable_store_that_cannot_be_opened_is_one_that_is_away(own):
    beside = item_of(own)
    own.redis.process.kill()

    def opens(_: Path) -> MemoryRelations:
        raise Unavailable("SQLite does not open it")

    model = Candidates(Shops(own.catalogues, own.redis.address, opens), SCENARIOS)
    assert degraded(asked(model, beside)[0]) == {NO_PROFILES, FROM_SNAPSHOT}
    model.close()


def test_each_tenant_has_the_catalogue_that_it_owns_and_no_other(own):
    with ExitStack() as closing:
        hot = RedisFeatures(own.redis.address, deadline_s=30)
        closing.callback(hot.close)
        acme = CatalogueFolder.of(own.catalogues, "acme")
        generate(acme, hot, Order(200, seed=3, related=20))
        model = shopping(own)
        closing.callback(model.close)
        rows = [row(USER, tenant=tenant) for tenant in ("default", "acme", "nobody", "acme", "default")]
        answers = model.predict(rows)
        alone = {tenant: shopping(own).predict([row(USER, tenant=tenant)])[0] for tenant in ("default", "acme")}
        assert said(answers[0]) == said(answers[4]) == said(alone["default"])
        assert said(answers[1]) == said(answers[3]) == said(alone["acme"])
        assert said(answers[0]) != said(answers[1])
        assert (len(answers[2]["masters"]), degraded(answers[2])) == (0, {"catalogue: none is imported"})
        here, there = IdIndex.open(own.catalogue.ids), IdIndex.open(acme.ids)
        foreign = here.uuids(Kind.MASTERS, answers[0]["masters"])
        assert set(there.look_up(Kind.MASTERS, foreign).tolist()) == {2**32 - 1}
