import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conch.contracts.errors import Unavailable
from conch.stores import generations
from conch.stores.duckdb_rollups import DuckDbRollups
from conch.stores.memory_rollups import MemoryRollups
from conch.stores.published_rollups import PublishedRollups
from conch.stores.rollups import ALL, DAY_MS, HOUR_MS, Sale, Weights, WrittenRollups

NOW = 1_800_000_000_000


def writer_in(folder: Path) -> DuckDbRollups:
    return DuckDbRollups(folder / "rollups.duckdb", folder / "rollups")


def reader_in(folder: Path) -> PublishedRollups:
    return PublishedRollups(folder / "rollups")


class Published(WrittenRollups):
    """Written by one who publishes, and read as it is published."""

    def __init__(self, folder: Path) -> None:
        self._writer, self._reader = writer_in(folder), reader_in(folder)
        self.replace, self.best_sellers = self._writer.replace, self._reader.best_sellers

    def close(self) -> None:
        self._writer.close()
        self._reader.close()


@pytest.fixture(params=["memory", "duckdb", "published"])
def rollups(request: pytest.FixtureRequest, tmp_path) -> Iterator[WrittenRollups]:
    makers = {"memory": MemoryRollups, "duckdb": lambda: writer_in(tmp_path), "published": lambda: Published(tmp_path)}
    with closing(makers[request.param]()) as store:
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
def test_duckdb_says_what_memory_says_and_so_does_what_it_published(tmp_path_factory, panes):
    memory, folder = MemoryRollups(), tmp_path_factory.mktemp("r")
    weights = Weights(hour=1.0, day=0.5, views=0.0)  # exact in floats, whatever the order of the sum
    with closing(writer_in(folder)) as duckdb:
        for pane_ms, sales in panes.items():
            memory.replace(pane_ms, sales)
        duckdb.load(panes)
        expected = {category: memory.best_sellers(category, NOW, 2, weights) for category in "ab"}
        assert {category: duckdb.best_sellers(category, NOW, 2, weights) for category in "ab"} == expected
    with closing(reader_in(folder)) as published:
        assert {category: published.best_sellers(category, NOW, 2, weights) for category in "ab"} == expected


def test_a_file_that_another_process_wrote_badly_is_named(tmp_path):
    (tmp_path / "rollups.duckdb").write_bytes(b"not a database" * 1_000)
    with pytest.raises(Unavailable, match=r"rollups\.duckdb"):
        writer_in(tmp_path)


def test_who_reads_before_anything_is_published_is_told_so(tmp_path):
    with closing(reader_in(tmp_path)) as published:
        with pytest.raises(Unavailable, match="no rollups can be read in rollups"):
            published.best_sellers("a", NOW, 10)
        writer_in(tmp_path).close()
        assert published.best_sellers("a", NOW, 10) == []


def test_a_folder_may_have_any_name(tmp_path):
    folder = tmp_path / "what's [in] a name*"
    with closing(writer_in(folder)) as rollups, closing(reader_in(folder)) as published:
        rollups.replace(NOW, [Sale("a", "p", 1)])
        assert [pid for pid, _ in published.best_sellers("a", NOW, 10)] == ["p"]


WRITES = """
import sys
from pathlib import Path
from tests.stores.test_rollups import NOW, Sale, writer_in
rollups = writer_in(Path(sys.argv[1]))
for line in sys.stdin:
    rollups.replace(NOW, [Sale("a", line.strip(), 1)])
    print("written", flush=True)
"""


def test_who_reads_and_another_process_that_writes_never_meet(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen([sys.executable, "-c", WRITES, str(tmp_path)], **pipes) as writer,
        closing(reader_in(tmp_path)) as published,
    ):
        for pid in ("p", "q", "r"):
            writer.stdin.write(f"{pid}\n")
            writer.stdin.flush()
            assert writer.stdout.readline() == "written\n"
            # It has its file open, and goes on.
            assert [sold for sold, _ in published.best_sellers("a", NOW, 10)] == [pid]
        writer.stdin.close()


def test_a_second_writer_is_refused(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", WRITES, str(tmp_path)], **pipes) as writer:
        writer.stdin.write("p\n")
        writer.stdin.flush()
        writer.stdout.readline()
        with pytest.raises(Unavailable, match="DuckDB does not open"):
            writer_in(tmp_path)
        writer.stdin.close()


def test_a_generation_that_goes_while_it_is_asked_for_is_asked_for_in_the_next_one(tmp_path, monkeypatch):
    with closing(writer_in(tmp_path)) as rollups, closing(reader_in(tmp_path)) as published:
        for pid in ("p", "q", "r"):
            rollups.replace(NOW, [Sale("a", pid, 1)])
        late = iter([1])
        current = generations.current
        monkeypatch.setattr(generations, "current", lambda folder: next(late, None) or current(folder))
        assert [pid for pid, _ in published.best_sellers("a", NOW, 10)] == ["r"]


def test_what_many_panes_say_is_published_at_the_end_and_without_days_that_nobody_asks_for(tmp_path):
    with closing(reader_in(tmp_path)) as published:
        with closing(writer_in(tmp_path)) as rollups:
            rollups.replace(NOW - 3 * DAY_MS, [Sale("a", "p", 1)])
            rollups.load({NOW: [Sale("a", "q", 1)]})
            assert published.best_sellers("a", NOW, 10) == []
        assert [pid for pid, _ in published.best_sellers("a", NOW, 10)] == ["q"]
        assert published.best_sellers("a", NOW - 3 * DAY_MS, 10) == []
