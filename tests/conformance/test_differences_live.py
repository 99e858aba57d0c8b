"""The list of what only bare Triton does is true, whole line by whole line, and the page that shows it is this list."""

from pathlib import Path

import pytest

from tests.conformance.differences import DIFFERENCES, Difference, table
from tests.conformance.protocol import Section, cites
from tests.conformance.server import Server

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


@pytest.mark.parametrize(
    "difference", [pytest.param(one, id=one.what, marks=cites(one.section)) for one in DIFFERENCES]
)
def test_what_is_listed_still_differs(compared: tuple[Server, ...], difference: Difference) -> None:
    """A server that is not ours must do as one of ours does."""
    listed = (difference.triton, difference.edge, difference.operator)
    assert difference.triton != difference.edge
    found = tuple(difference.ask(server) for server in compared)
    assert found == listed if len(compared) == len(listed) else set(found) <= set(listed)


@cites(Section.REST_PATHS)
def test_the_page_shows_the_list() -> None:
    assert table() in PAGE.read_text(encoding="utf-8"), f"put this into {PAGE.name}:\n{table()}"
