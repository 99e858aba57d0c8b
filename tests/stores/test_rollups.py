import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conch.contracts.errors import Unavailable
from conch.stores.duckdb_rollups import DuckDbRollups
from conch.stores.memory_rollups import MemoryRollups
from conch.stores.rollups import ALL, DAY_MS, HOUR_MS, Rollups, Sale, Weights

NOW = 1_800_000_000_000


@pytest.fixture(params=["memory", "duckdb"])
def rollups(request: pytest.FixtureRequest, tmp_path) -> Iterator[Rollups]:
    store: Rollups = MemoryRollups() if request.param == "memory" else DuckDbRollups(tmp_path / "r.duckdb")
    with closing(store):
        yield store


def test_units_of_the_last_hour_weigh_most_then_those_of_the_day_then_views(rollups):
    rollups.replace(NOW - 1, [Sale("c", "hour", 2, 0)])
    rollups.replace(NOW - HOUR_MS, [Sale("c", "day", 3, 0), Sale("c", "seen", 0, 50)])
    rollups.replace(NOW - DAY_MS, [Sale("c", "old", 1_000, 0)])
    rollups.replace(NOW + 1, [Sale("c", "future", 1_000, 0)])
    found = rollups.best_sellers("c", NOW, 10, Weights(hour=1.0, day=0.5, views=0.01))
    assert [pid for pid, _ in found] == ["hour", "day", "seen"]
    assert [score for _, score in found] == pytest.approx([3.0, 1.5, 0.5])


def test_categories_are_kept_apart_and_everything_is_one_of_them(rollups):
    rollups.replace(NOW, [Sale("a", "p", 1), Sale("b", "q", 2), Sale(ALL, "p", 1), Sale(ALL, "q", 2)])
    assert [pid for pid, _ in rollups.best_sellers("a", NOW, 10)] == ["p"]
    assert [pid for pid, _ in rollups.best_sellers(ALL, NOW, 10)] == ["q", "p"]
    assert list(rollups.best_sellers("none", NOW, 10)) == []


def test_a_pane_that_is_written_again_replaces_what_it_said(rollups):
    rollups.replace(NOW, [Sale("a", "p", 5), Sale("a", "q", 1)])
    rollups.replace(NOW, [Sale("a", "q", 2)])
    assert [pid for pid, _ in rollups.best_sellers("a", NOW, 10)] == ["q"]
    rollups.replace(NOW, [])
    assert list(rollups.best_sellers("a", NOW, 10)) == []


def test_what_was_returned_more_than_sold_is_no_best_seller(rollups):
    rollups.replace(NOW, [Sale("a", "p", 5)])
    rollups.replace(NOW - 1, [Sale("a", "p", -5), Sale("a", "q", -1)])
    assert list(rollups.best_sellers("a", NOW, 10)) == []


def test_equal_scores_are_ordered_by_pid_and_the_limit_cuts_after_that(rollups):
    rollups.replace(NOW, [Sale("a", pid, 1) for pid in "dbca"])
    assert [pid for pid, _ in rollups.best_sellers("a", NOW, 3)] == ["a", "b", "c"]


SALES = st.lists(st.builds(Sale, st.sampled_from("ab"), st.sampled_from("pqr"), st.integers(-3, 9)), max_size=8)


@settings(deadline=None, max_examples=20)
@given(st.dictionaries(st.integers(NOW - 2 * HOUR_MS, NOW), SALES, max_size=5))
def test_duckdb_says_what_memory_says(tmp_path_factory, panes):
    memory = MemoryRollups()
    with closing(DuckDbRollups(tmp_path_factory.mktemp("r") / "r.duckdb")) as duckdb:
        for pane_ms, sales in panes.items():
            memory.replace(pane_ms, sales)
            duckdb.replace(pane_ms, sales)
        weights = Weights(hour=1.0, day=0.5, views=0.0)  # exact in floats, whatever the order of the sum
        for category in "ab":
            expected = memory.best_sellers(category, NOW, 2, weights)
            assert list(duckdb.best_sellers(category, NOW, 2, weights)) == expected


def test_a_file_that_another_process_wrote_badly_is_named(tmp_path):
    (tmp_path / "r.duckdb").write_bytes(b"not a database" * 1_000)
    with pytest.raises(Unavailable, match=r"r\.duckdb"):
        DuckDbRollups(tmp_path / "r.duckdb")


def test_a_reader_sees_what_was_written_and_writes_nothing(tmp_path):
    file = tmp_path / "r.duckdb"
    with pytest.raises(Unavailable, match=r"r\.duckdb"):
        DuckDbRollups.to_read(file)
    with closing(DuckDbRollups(file)) as rollups:
        rollups.replace(NOW, [Sale("a", "p", 1)])
    with closing(DuckDbRollups.to_read(file)) as rollups:
        assert [pid for pid, _ in rollups.best_sellers("a", NOW, 10)] == ["p"]
        with pytest.raises(Unavailable, match="read-only"):
            rollups.replace(NOW, [])


READS = "import duckdb, sys; held = duckdb.connect(sys.argv[1], read_only=True); print(1, flush=True); sys.stdin.read()"


def test_a_writer_waits_for_who_reads(tmp_path):
    file = tmp_path / "r.duckdb"
    DuckDbRollups(file).close()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", READS, str(file)], **pipes) as reader:
        reader.stdout.readline()
        waited = []

        def pause(_):
            waited.append(1)
            reader.stdin.close()
            reader.wait(30)

        with closing(DuckDbRollups(file, pause)) as rollups:
            rollups.replace(NOW, [Sale("a", "p", 1)])
    assert len(waited) == 1
