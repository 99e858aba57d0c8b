"""Relations of a made-up catalogue, whose titles a model of this process embeds."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from batch.embedding import AT_ONCE, ROWS
from batch.relations import WRITTEN_TOGETHER, Order, build
from conch.contracts.errors import InvalidRequest, Unavailable
from conch.contracts.features import Family, Stamp, unpack
from conch.contracts.identifiers import texts_of
from conch.contracts.keys import CatalogueKeys
from conch.stores.catalogue_folder import CatalogueFolder, Leased
from conch.stores.features import SortedSet, Write
from conch.stores.ids import IdIndex, Kind
from conch.stores.meanings import Meanings
from conch.stores.memory_features import MemoryFeatures
from tests.batch.shop import HOT, MASTERS, RUN_MS, Shop, embedding, made, words

KEYS = CatalogueKeys()
ALL = Order(everything=True)


@pytest.fixture
def shop(tmp_path) -> Shop:
    return made(tmp_path)


def name_of(shop: Shop, master: int) -> str:
    return texts_of(IdIndex.open(shop.folder.ids).uuids(Kind.MASTERS, np.array([master], np.uint32)))[0]


def related(shop: Shop, master: int) -> dict[int, float]:
    """As the durable store has them."""
    relations = shop.durable.semantic(UUID(name_of(shop, master)))
    ids = IdIndex.open(shop.folder.ids)
    uuids = np.frombuffer(b"".join(other.bytes for other in relations.related), np.uint8).reshape(-1, 16)
    return dict(zip(ids.look_up(Kind.MASTERS, uuids).tolist(), relations.related.values(), strict=True))


def hot_names(shop: Shop) -> set[str]:
    return set(shop.hot.documented(KEYS.active_masters).scores)


def test_hot_masters_are_related_and_cold_ones_are_left_as_they_are(shop):
    report = shop.run(Order())
    assert (report.chosen, report.embedded, report.related) == (HOT, HOT, HOT)
    assert {str(master) for master in shop.durable.masters()} == hot_names(shop)
    assert len(shop.asked) == HOT


def test_a_master_is_hot_from_its_last_interaction_on(shop):
    times = shop.hot.documented(KEYS.active_masters).scores
    since = sorted(times.values())[HOT // 2]
    shop.run(Order(since_ms=int(since)))
    assert {str(master) for master in shop.durable.masters()} == {name for name, at in times.items() if at >= since}


def test_relations_are_what_exact_search_finds(shop):
    shop.run(ALL)
    titles = shop.titles()
    vectors = np.stack([words(titles[master]) for master in range(MASTERS)])
    exact = vectors @ vectors.T
    for master in (0, 7, MASTERS - 1):
        found = related(shop, master)
        # The index keeps vectors to three digits: what is as good as equal may change places.
        wanted = {other: score for other, score in enumerate(exact[master]) if other != master}
        assert len(found) == MASTERS - 1
        assert found == pytest.approx(wanted, abs=0.01)


def test_as_many_as_are_kept_are_the_nearest_without_the_master_itself(shop):
    shop.run(Order(everything=True, kept=20))
    titles = shop.titles()
    vectors = np.stack([words(titles[master]) for master in range(MASTERS)])
    scores = vectors @ vectors[5]
    found = related(shop, 5)
    assert len(found) == 20
    assert 5 not in found
    assert min(found.values()) >= np.sort(np.delete(scores, 5))[-20] - 0.01


def test_an_entity_says_by_what_and_when_it_was_inferred_in_every_form(shop):
    shop.run(Order(everything=True))
    name = min(hot_names(shop))
    key = KEYS.semantic(name)
    relations, packed = shop.durable.semantic(UUID(name)), unpack(shop.hot.blobs[key], Family.SEMANTIC)
    assert relations.inference_ts == datetime.fromtimestamp(RUN_MS / 1000, UTC)
    assert relations.inference_source == "embedding:1"
    assert packed.stamp == Stamp(0, RUN_MS, 0)
    assert shop.durable.read([key]) == [shop.hot.blobs[key]]
    assert shop.hot.documented(key) == SortedSet({str(other): score for other, score in relations.related.items()})
    first = sorted(relations.related.values(), reverse=True)[:100]
    assert packed.columns["scores"].tolist() == pytest.approx(first, abs=1e-5)


def test_of_all_masters_the_hot_ones_alone_have_a_sorted_set(shop):
    shop.run(ALL)
    packed = {key for key in shop.hot.blobs if key.startswith("master:sem:")}
    sets = {key for key in shop.hot.values if key.startswith("master:sem:")}
    assert len(packed) == MASTERS
    assert sets == {KEYS.semantic(name) for name in hot_names(shop)}


def test_a_second_run_embeds_nothing_and_relates_everything_again(shop):
    shop.run(ALL)
    report = shop.run(ALL)
    assert (report.embedded, report.related, report.resumed) == (0, MASTERS, False)
    assert len(shop.asked) == MASTERS


def test_an_incremental_run_is_of_new_and_changed_titles_alone(shop):
    shop.run(ALL)
    shop.retitle({7: "a violin of old spruce", 8: "a cello of old spruce"})
    report = shop.run(Order(everything=True, incremental=True), now_ms=lambda: RUN_MS + 1_000)
    assert (report.embedded, report.related) == (2, 2)
    assert shop.asked[MASTERS:] == ["a violin of old spruce", "a cello of old spruce"]
    assert max(related(shop, 7), key=related(shop, 7).get) == 8
    assert shop.run(Order(everything=True, incremental=True)).related == 0


def test_a_master_that_becomes_hot_is_new_to_an_incremental_run(shop):
    shop.run(Order(incremental=True))
    report = shop.run(ALL)
    assert (report.embedded, report.chosen) == (MASTERS - HOT, MASTERS)
    assert shop.run(Order(incremental=True)).related == 0


class Dying(MemoryFeatures):
    """Redis, until it has taken so many relations."""

    left = 2 * WRITTEN_TOGETHER

    def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        if self.left <= 0:
            raise Unavailable("Redis does not answer")
        self.left -= len(writes)
        return super().write(writes)


def test_a_run_that_was_killed_while_it_wrote_goes_on_where_it_was(shop):
    dying = Dying()
    with pytest.raises(Unavailable):
        shop.run(ALL, hot=dying)
    report = shop.run(ALL)
    assert (report.resumed, report.embedded, report.related) == (True, 0, MASTERS - 2 * WRITTEN_TOGETHER)
    assert len(set(shop.durable.masters())) == MASTERS
    assert shop.run(ALL).resumed is False


def test_a_run_that_was_told_something_else_is_not_gone_on_with(shop):
    with pytest.raises(Unavailable):
        shop.run(ALL, hot=Dying())
    assert shop.run(Order(everything=True, kept=10)).related == MASTERS


def test_what_was_embedded_before_a_model_went_away_is_kept(tmp_path):
    def going_away(inputs, call):
        if "goes away" in inputs["text"][:, 0]:
            raise Unavailable("the server went away")
        return embedding(inputs, call)

    together = ROWS * AT_ONCE
    shop = made(tmp_path, going_away, masters=together + 40)
    shop.retitle({together + 35: "goes away"})
    with pytest.raises(Unavailable, match="the server went away"):
        shop.run(ALL)
    shop.inference.functions["embedding"] = embedding
    assert shop.run(ALL).embedded == 40


def test_a_title_without_a_word_is_left_out_and_refuses_no_other(shop):
    shop.retitle({7: "???", 8: "   "})
    report = shop.run(ALL)
    assert (report.embedded, report.refused, report.indexed, report.related) == (
        MASTERS - 2,
        1,
        MASTERS - 2,
        MASTERS - 2,
    )
    assert {7, 8} & related(shop, 9).keys() == set()


def test_what_nobody_offers_leaves_the_index_and_others_relations(shop):
    shop.run(ALL)
    shop.withdraw({3, 4})
    report = shop.run(ALL, now_ms=lambda: RUN_MS + 1_000)
    assert (report.indexed, report.generation, report.related) == (MASTERS - 2, 2, MASTERS - 2)
    assert {3, 4} & related(shop, 9).keys() == set()
    assert Meanings.open(shop.folder.nearest, "1").vector_of(3) is None


def test_an_index_of_which_nothing_changed_stays(shop):
    assert [shop.run(ALL).generation for _ in range(2)] == [1, 1]


def test_a_damaged_index_is_built_anew(shop):
    shop.run(ALL)
    (shop.folder.nearest / "1/generation-1/index.usearch").write_bytes(b"usearch")
    report = shop.run(ALL)
    assert (report.generation, report.indexed, report.embedded) == (2, MASTERS, 0)


def test_newer_relations_stay(shop):
    shop.run(Order())
    report = shop.run(Order(), now_ms=lambda: RUN_MS - 1)
    assert report.kept_out == HOT
    relations = shop.durable.semantic(UUID(min(hot_names(shop))))
    assert relations.inference_ts == datetime.fromtimestamp(RUN_MS / 1000, UTC)


def test_two_runs_at_once_are_refused_and_an_import_is_not(shop):
    with shop.folder.lease(), shop.folder.lease("relations.lease"), pytest.raises(Leased):
        shop.run(Order())
    with shop.folder.lease():
        assert shop.run(Order()).related == HOT


def test_a_catalogue_without_goods_is_refused(shop, tmp_path):
    with pytest.raises(InvalidRequest, match="catalogue empty has no goods yet"):
        shop.run(ALL, folder=CatalogueFolder.of(tmp_path, "empty"))


def test_progress_is_told_by_stage_up_to_the_end(shop):
    told = []
    build(shop.places(), ALL, lambda *far: told.append(far))
    assert {stage: (done, total) for stage, done, total in told} == {
        "embed": (MASTERS, MASTERS), "index": (MASTERS, MASTERS), "relate": (MASTERS, MASTERS),
    }  # fmt: skip
