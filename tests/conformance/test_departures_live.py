"""Triton still departs from the protocol where we say so, and the edge changes nothing of it."""

from pathlib import Path

import pytest

from tests.conformance.departures import DEPARTURES, Departure, table
from tests.conformance.protocol import Section, cites
from tests.conformance.server import Server

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


@pytest.mark.parametrize(
    "departure", [pytest.param(one, id=one.published, marks=cites(one.section)) for one in DEPARTURES]
)
def test_what_is_listed_still_departs(compared: tuple[Server, ...], departure: Departure) -> None:
    if len(compared) == 1:
        pytest.skip("another server may follow the protocol here")
    assert {departure.ask(server) for server in compared} == {departure.triton}


@cites(Section.REST_PATHS)
def test_the_page_shows_the_list() -> None:
    assert table() in PAGE.read_text(encoding="utf-8"), f"put this into {PAGE.name}:\n{table()}"
