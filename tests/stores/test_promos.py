from collections.abc import Sequence

import numpy as np
import pytest

from conch.contracts.errors import Internal, Unavailable
from conch.contracts.features import Family, Packed, pack
from conch.contracts.identifiers import texts_of, uuids_of
from conch.contracts.keys import CatalogueKeys
from conch.features.packing import promo_columns
from conch.recommendation.ranking import Promos
from conch.stores import generations, promos
from conch.stores.ids import IdIndex, IdWriter, Kind
from conch.stores.memory_features import MemoryFeatures
from conch.stores.promos import MERGE_S, OVERLAP_MS, PromoBook

NOW_MS = 1_800_000_000_000
KEYS = CatalogueKeys()
PIDS = uuids_of("default", [f"pid-{number}" for number in range(20)])
NAMES = texts_of(PIDS)


class Hot(MemoryFeatures):
    away = False

    def __init__(self) -> None:
        super().__init__()
        self.blobs[KEYS.features_kept] = b""

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        if self.away:
            raise Unavailable("Redis is away")
        return super().read(keys)


class Clock:
    now = 1_000.0
    now_ms = NOW_MS

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hot():
    return Hot()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="module")
def ids(tmp_path_factory) -> IdIndex:
    writer = IdWriter(tmp_path_factory.mktemp("ids"), "default")
    writer.allot(Kind.PIDS, PIDS)
    return writer.publish()


@pytest.fixture
def book(tmp_path, hot, clock) -> PromoBook:
    published(tmp_path, {3: 1.5, 7: 2.0})
    return PromoBook(tmp_path, KEYS, hot, clock=clock, now_ms=lambda: clock.now_ms)


def published(folder, boosts, written_ms=NOW_MS) -> None:
    pids = np.array(list(boosts), np.uint32)
    columns = {
        "boosts": np.array(list(boosts.values()), np.float32),
        "bids": np.full(len(pids), np.nan, np.float32),
        "expiries": np.zeros(len(pids), np.int64),
        "flags": np.zeros(len(pids), np.uint32),
    }
    promos.publish(folder, Promos(pids=pids, **columns), written_ms)


def boosts(found: Promos) -> dict[int, float]:
    return dict(zip(found.pids.tolist(), found.boosts.tolist(), strict=True))


def put(hot: Hot, pid: int, **fields: str) -> None:
    hot.blobs[KEYS.promo(NAMES[pid])] = pack(Packed(Family.PROMO, promo_columns(fields), 1))


def test_a_generation_is_taken_up_when_it_is_published(book, tmp_path):
    assert boosts(book.current()) == {3: 1.5, 7: 2.0}
    published(tmp_path, {4: 3.0}, NOW_MS + 60_000)
    book.refresh()
    assert boosts(book.current()) == {4: 3.0}


def test_without_a_generation_there_are_no_promos(hot):
    assert boosts(PromoBook(None, KEYS, hot).current()) == {}


def test_changes_stand_over_the_generation_once_they_are_put_together(book, hot, clock, ids):
    put(hot, 3, boost="4")
    put(hot, 5, boost="5")
    book.changed([NAMES[3], NAMES[5], NAMES[7], "no pid of ours"], ids)
    assert hot.reads == 1
    assert boosts(book.current()) == {3: 4.0, 5: 5.0}
    put(hot, 5, boost="6")
    book.changed([NAMES[5]], ids)
    assert boosts(book.current()) == {3: 4.0, 5: 5.0}
    clock.now += MERGE_S
    assert boosts(book.current()) == {3: 4.0, 5: 6.0}


def test_a_change_is_kept_until_a_generation_has_it_for_sure(book, hot, clock, ids, tmp_path):
    put(hot, 5, boost="5")
    book.changed([NAMES[5]], ids)
    published(tmp_path, {3: 1.5}, clock.now_ms + OVERLAP_MS)
    book.refresh()
    assert boosts(book.current()) == {3: 1.5, 5: 5.0}
    published(tmp_path, {3: 1.5}, clock.now_ms + OVERLAP_MS + 1)
    book.refresh()
    assert boosts(book.current()) == {3: 1.5}


def test_fresh_ones_come_from_the_store_alone_in_one_wave(book, hot, ids):
    put(hot, 3, boost="9")
    assert boosts(book.fresh(np.array([3, 7, 8], np.uint32), ids)) == {3: 9.0}
    assert hot.reads == 1
    assert boosts(book.current()) == {3: 1.5, 7: 2.0}


@pytest.mark.parametrize("blob", [b"", b"\x07" * 40, pack(Packed(Family.PROMO, promo_columns({"boost": "2"}), 1))[:-1]])
def test_a_blob_that_cannot_be_read_is_no_promo_and_counted(book, hot, ids, blob):
    hot.blobs[KEYS.promo(NAMES[3])] = blob
    book.changed([NAMES[3]], ids)
    assert boosts(book.current()) == {7: 2.0}
    assert book.unreadable == 1


def test_a_store_that_is_away_leaves_what_was_known_and_is_left_alone_after_three_failures(book, hot, clock, ids):
    hot.away = True
    for _ in range(3):
        with pytest.raises(Unavailable, match="Redis is away"):
            book.changed([NAMES[3]], ids)
    hot.away = False
    with pytest.raises(Unavailable, match="left alone"):
        book.fresh(np.array([3], np.uint32), ids)
    assert boosts(book.current()) == {3: 1.5, 7: 2.0}
    clock.now += 1.0
    put(hot, 3, boost="4")
    book.changed([NAMES[3]], ids)
    assert boosts(book.current()) == {3: 4.0, 7: 2.0}


def test_a_damaged_generation_is_told_of(tmp_path, hot):
    published(tmp_path, {3: 1.5})
    (generations.folder_of(tmp_path, 1) / "bids.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(Internal, match="promos of generation-1 cannot be read"):
        PromoBook(tmp_path, KEYS, hot)


def test_an_emptied_store_has_no_fresh_promos(book, hot, ids):
    hot.blobs.clear()
    with pytest.raises(Unavailable, match="emptied"):
        book.fresh(np.array([3], np.uint32), ids)
