"""The parts into which the tests fall for pytest's workers."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.workers import FOLDERS, LONGEST, longest_first, part_of

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("nodeid", "part"),
    [
        ("tests/stores/test_ids.py::test_a[x::y/z]", "tests/stores/test_ids.py"),
        ("tests/edge/test_tls_live.py::test_a", "tests/edge"),
        ("tests/triton/test_watch.py::TestWatch::test_a", "tests/triton"),
        ("tests/edges/test_a.py::test_a", "tests/edges/test_a.py"),
    ],
)
def test_a_file_stays_together_and_so_does_a_folder_that_shares_a_server(nodeid: str, part: str) -> None:
    assert part_of(nodeid) == part


def test_the_longest_parts_come_first_and_all_else_stays_in_its_order() -> None:
    nodeids = ["tests/a.py::a", f"{LONGEST[1]}/z.py::a", "tests/a.py::b", f"{LONGEST[0]}::a", f"{LONGEST[1]}/b.py::a"]
    items = [SimpleNamespace(nodeid=nodeid) for nodeid in nodeids]
    longest_first(items)  # type: ignore[arg-type]
    assert [item.nodeid for item in items] == [nodeids[3], nodeids[1], nodeids[4], nodeids[0], nodeids[2]]


def test_every_part_that_is_named_is_there() -> None:
    assert [part for part in (*FOLDERS, *LONGEST) if not (ROOT / part).exists()] == []
