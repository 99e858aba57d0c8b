"""A made-up catalogue: the same order makes the same, and what it writes agrees with itself."""

from contextlib import closing

import numpy as np
import pytest

from conch.catalogue.generating import generate
from conch.catalogue.made import Order, make
from conch.catalogue.records import Records
from conch.contracts.errors import InvalidRequest
from conch.contracts.features import Family, unpack
from conch.contracts.identifiers import texts_of, uuid_of, uuids_of
from conch.contracts.provenance import NO_REASON
from conch.features.wares import lineages
from conch.stores.catalogue_folder import CatalogueFolder, Leased
from conch.stores.features import Hash, List, SortedSet
from conch.stores.ids import IdIndex, Kind
from conch.stores.memory_features import MemoryFeatures
from conch.stores.published_rollups import PublishedRollups
from conch.stores.rollups import ALL
from conch.stores.snapshot import Snapshot
from conch.stores.sqlite_relations import SqliteRelations

NOW = 1_800_000_000_000
ORDER = Order(300, seed=3, users=120, related=20)


@pytest.fixture(scope="module")
def hot() -> MemoryFeatures:
    return MemoryFeatures()


@pytest.fixture(scope="module")
def catalogue(hot, tmp_path_factory) -> CatalogueFolder:
    folder = CatalogueFolder.of(tmp_path_factory.mktemp("catalogues"), "default")
    generate(folder, hot, ORDER, now_ms=NOW)
    return folder


@pytest.fixture(scope="module")
def snapshot(catalogue) -> Snapshot:
    return Snapshot.open(catalogue.snapshot)


@pytest.fixture(scope="module")
def ids(catalogue) -> IdIndex:
    return IdIndex.open(catalogue.ids)


def test_the_same_order_makes_the_same_and_another_seed_another():
    first, again, other = (make(order.checked(), NOW) for order in (ORDER, ORDER, Order(300, seed=4, users=120)))
    np.testing.assert_array_equal(first.goods.pids, again.goods.pids)
    np.testing.assert_array_equal(first.views.offer, again.views.offer)
    assert not np.array_equal(first.goods.pids, other.goods.pids)


def test_to_make_it_again_changes_no_id_and_publishes_a_snapshot(tmp_path):
    folder, hot = CatalogueFolder.of(tmp_path, "acme"), MemoryFeatures()
    order = Order(100, users=20)
    generate(folder, hot, order, now_ms=NOW)
    columns = Snapshot.open(folder.snapshot).columns
    generate(folder, hot, order, now_ms=NOW)
    again = Snapshot.open(folder.snapshot)
    assert (IdIndex.open(folder.ids).generation, again.generation) == (1, 2)
    np.testing.assert_array_equal(again.columns.offer_pids, columns.offer_pids)
    assert all(key.startswith("acme:") for key in hot.values)


def test_another_order_does_not_go_over_what_is_there(catalogue, hot):
    with pytest.raises(InvalidRequest, match=r"was made by another order \(masters 300, seed 3"):
        generate(catalogue, hot, Order(300, seed=4), now_ms=NOW)


def test_one_writer_at_a_time(catalogue, hot):
    with catalogue.lease(), pytest.raises(Leased, match="catalogue default is being written"):
        generate(catalogue, hot, ORDER, now_ms=NOW)


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (Order(99), "99 masters are asked for, it must be 100 to 10000000"),
        (Order(100, users=-1), "users is -1, it must be 0 or more"),
    ],
)
def test_an_order_that_cannot_be_is_refused(order, reason):
    with pytest.raises(InvalidRequest, match=reason):
        order.checked()


def test_every_master_has_offers_and_stands_on_a_shelf(snapshot):
    columns = snapshot.columns
    assert snapshot.masters == 300
    assert (np.diff(columns.offer_starts) >= 1).all()
    owners = np.repeat(np.arange(300), np.diff(columns.offer_starts))
    np.testing.assert_array_equal(columns.pid_master[columns.offer_pids], owners)
    assert (columns.master_category != NO_REASON).all()
    assert lineages(columns.category_parent)[columns.master_category].shape[1] == 3
    assert (columns.pid_price > 0).all()
    assert ((columns.pid_rating >= 0) & (columns.pid_rating <= 5)).all()


def test_both_forms_of_a_view_and_of_an_offer_say_the_same(catalogue, hot, ids, snapshot):
    keys = catalogue.keys
    documented = hot.documented(keys.views("user-5"))
    assert isinstance(documented, List)
    views = unpack(hot.read([keys.views("user-5")])[0], Family.VIEWS).columns
    assert texts_of(ids.uuids(Kind.PIDS, views["pids"])) == list(documented.items)
    np.testing.assert_array_equal(snapshot.columns.pid_master[views["pids"]], views["masters"])
    master = int(views["masters"][0])
    name = texts_of(ids.uuids(Kind.MASTERS, np.array([master], np.uint32)))[0]
    said = hot.documented(keys.offers(name))
    assert isinstance(said, Hash)
    packed = unpack(hot.read([keys.offers(name)])[0], Family.OFFERS).columns
    prices = {pid: float(text.split(":")[0]) for pid, text in said.fields.items()}
    names = texts_of(ids.uuids(Kind.PIDS, packed["pids"]))
    assert dict(zip(names, packed["prices"].tolist(), strict=True)) == pytest.approx(prices)
    with closing(SqliteRelations(catalogue.relations)) as durable:
        offers = durable.offers(uuid_of("default", name))
        assert offers is not None
        assert {str(pid): text for pid, text in offers.metadata.items()} == said.fields


def test_best_sellers_of_redis_the_rollups_and_the_snapshot_are_the_same(catalogue, hot, ids, snapshot):
    columns = snapshot.columns
    with closing(PublishedRollups(catalogue.published_rollups)) as rollups:
        for number in range(snapshot.categories):
            name = ids.text(Kind.CATEGORIES, number)
            expected = dict(rollups.best_sellers(name, NOW, 50))
            here = slice(columns.best_starts[number], columns.best_starts[number + 1])
            if expected:
                found = texts_of(ids.uuids(Kind.PIDS, columns.best_pids[here]))
                scores = dict(zip(found, columns.best_scores[here].tolist(), strict=True))
                assert sorted(scores.values()) == pytest.approx(sorted(expected.values()))
                assert hot.documented(catalogue.keys.best_sellers(name)) == SortedSet(scores)
        everything = rollups.best_sellers(ALL, NOW, 50)
    assert columns.popular_scores.tolist() == pytest.approx([score for _, score in everything])


def test_a_category_in_which_nothing_has_sold_has_its_best_rated(snapshot, hot, catalogue, ids):
    columns = snapshot.columns
    assert (np.diff(columns.best_starts) >= 1).all()
    for number in range(snapshot.categories):
        if hot.documented(catalogue.keys.best_sellers(ids.text(Kind.CATEGORIES, number))) is None:
            ratings = columns.best_scores[columns.best_starts[number] : columns.best_starts[number + 1]]
            assert (np.diff(ratings) <= 0).all()


def test_popularity_is_zipfs_and_views_follow_it():
    made = make(Order(1_000, seed=1, users=400).checked(), NOW)
    popularity = np.sort(made.goods.popularity)[::-1]
    slope = np.polyfit(np.log(np.arange(1, 1_001)), np.log(popularity), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.15)
    views = np.bincount(made.views.master, minlength=1_000)
    assert views[np.argsort(-made.goods.popularity)[:100]].sum() > 0.4 * views.sum()


def test_sessions_lead_to_neighbours_more_than_anywhere_else():
    made = make(Order(1_000, seed=1, users=400).checked(), NOW)
    pairs: dict[tuple[int, int], int] = {}
    for session in np.unique(made.views.session):
        shelves = np.unique(made.views.leaf[made.views.session == session]).tolist()
        for one in shelves:
            for other in shelves:
                pairs[one, other] = pairs.get((one, other), 0) + (one != other)
    rows = enumerate(made.tree.neighbours.tolist())
    near = {pair for leaf, row in rows for other in row for pair in ((leaf, other), (other, leaf))}
    among = sum(count for pair, count in pairs.items() if pair in near)
    assert len(near) < 0.12 * len(made.tree.leaves) ** 2
    assert among > 0.5 * sum(pairs.values())


def test_relations_are_of_the_same_aisle_best_first_and_never_to_itself(catalogue, hot, ids, snapshot):
    keys, columns = catalogue.keys, snapshot.columns
    parents = columns.category_parent
    names = texts_of(ids.uuids(Kind.MASTERS, np.arange(300, dtype=np.uint32)))
    with closing(SqliteRelations(catalogue.relations)) as durable:
        alone = np.flatnonzero(np.bincount(parents[columns.master_category])[parents[columns.master_category]] == 1)
        for master in np.setdiff1d(np.arange(300), alone).tolist():
            name = names[master]
            related = unpack(hot.read([keys.semantic(name)])[0], Family.SEMANTIC)
            others, scores = related.columns["ids"], related.columns["scores"]
            assert master not in others
            aisles = parents[columns.master_category[others]]
            assert (aisles == parents[columns.master_category[master]]).all()
            assert np.lexsort((others, -scores)).tolist() == list(range(len(others)))
            assert durable.read([keys.semantic(name)]) == hot.read([keys.semantic(name)])
        row = durable.semantic(uuid_of("default", name))
    assert row is not None
    assert hot.documented(keys.semantic(name)) == SortedSet({str(o): s for o, s in row.related.items()})
    np.testing.assert_array_equal(columns.relation_masters, np.setdiff1d(np.arange(300), alone))


def test_titles_are_kept(catalogue, ids):
    with closing(Records(catalogue.relations)) as records:
        products = list(records.products([0, 299]))
        assert [product.master for product in products] == [0, 299]
        assert products[1].name.endswith(" 299")
        assert ids.look_up(Kind.MASTERS, uuids_of("default", [products[1].key])).tolist() == [299]
        assert records.changed_since(NOW + 1) == []
        assert len(records.changed_since(NOW)) == 300
