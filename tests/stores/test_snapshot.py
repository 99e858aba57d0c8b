from dataclasses import replace

import numpy as np
import pytest

from conch.contracts.errors import Internal
from conch.stores import generations
from conch.stores.snapshot import About, Snapshot, csr, empty, publish

ABOUT = About(ids_generation=3, written_ms=1_000, positions={"0": 7})


def test_nothing_published_is_an_empty_snapshot(tmp_path):
    snapshot = Snapshot.open(tmp_path)
    assert (snapshot.generation, snapshot.masters, snapshot.pids, snapshot.categories) == (0, 0, 0, 0)


def test_what_is_published_is_mapped_by_every_reader(tmp_path):
    starts, (pids,) = csr(2, np.array([1, 0, 1], np.uint32), np.array([10, 11, 12], np.uint32))
    columns = replace(
        empty(),
        master_category=np.zeros(2, np.uint32),
        master_brand=np.zeros(2, np.uint32),
        offer_starts=starts,
        offer_pids=pids,
    )
    assert publish(tmp_path, columns, ABOUT) == 1
    snapshot = Snapshot.open(tmp_path)
    assert (snapshot.generation, snapshot.masters, snapshot.about) == (1, 2, ABOUT)
    assert snapshot.columns.offer_pids.tolist() == [11, 10, 12]
    assert isinstance(snapshot.columns.offer_pids, np.memmap)


def test_a_reader_keeps_what_it_has_mapped(tmp_path):
    publish(tmp_path, empty(), ABOUT)
    old = Snapshot.open(tmp_path)
    publish(tmp_path, empty(), replace(ABOUT, written_ms=2_000))
    assert (old.about.written_ms, Snapshot.open(tmp_path).about.written_ms) == (1_000, 2_000)


def test_columns_that_contradict_each_other_are_not_published(tmp_path):
    with pytest.raises(Internal, match="offer_starts has 1 bounds for 1 rows and 0 of offer_pids"):
        publish(tmp_path, replace(empty(), master_category=np.zeros(1, np.uint32)), ABOUT)
    with pytest.raises(Internal, match="pid_price has 0 rows, not 1"):
        publish(tmp_path, replace(empty(), pid_master=np.zeros(1, np.uint32)), ABOUT)
    assert generations.current(tmp_path) == 0


def test_a_damaged_snapshot_is_named(tmp_path):
    publish(tmp_path, empty(), ABOUT)
    (generations.folder_of(tmp_path, 1) / "pid_price.npy").write_bytes(b"")
    with pytest.raises(Internal, match="snapshot 1 cannot be read"):
        Snapshot.open(tmp_path)


def test_a_snapshot_of_before_knows_no_hot_masters(tmp_path):
    publish(tmp_path, empty(), ABOUT)
    (generations.folder_of(tmp_path, 1) / "active_masters.npy").unlink()
    assert Snapshot.open(tmp_path).columns.active_masters.tolist() == []


def test_a_column_that_stays_is_linked_and_a_part_of_one_is_written(tmp_path):
    prices = np.array([1, 2, 3], np.float32)
    rest = {name: np.zeros(3, np.uint32) for name in ("pid_master", "pid_seller")}
    columns = replace(empty(), pid_price=prices, pid_rating=prices, pid_stock=np.ones(3, np.uint8), **rest)
    publish(tmp_path, columns, ABOUT)
    mapped = Snapshot.open(tmp_path).columns
    publish(tmp_path, replace(mapped, pid_rating=mapped.pid_price[::-1]), ABOUT)
    again = Snapshot.open(tmp_path)
    assert again.columns.pid_price.tolist() == [1, 2, 3]
    assert again.columns.pid_rating.tolist() == [3, 2, 1]
    files = [generations.folder_of(tmp_path, number) / "pid_price.npy" for number in (1, 2)]
    assert files[0].samefile(files[1])
