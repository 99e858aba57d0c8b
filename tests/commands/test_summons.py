"""Team and place are read off a command, as far as it names them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.commands.summons import Summons, summons


@pytest.mark.parametrize(
    ("text", "team", "place"),
    [
        ("Please summon the cleaning crew to aisle 5.", "cleaning crew", "aisle 5"),
        ("summon the cleaning crew to aisle five right away", "cleaning crew", "aisle five"),
        ("Please send the cleaning crew to the loading dock.", "cleaning crew", "loading dock"),
        ("Send security.", "security", ""),
        ("We need a medic at press 3, quickly!", "medic", "press 3"),
        ("There is oil on the floor at dock 4, send the cleaners.", "cleaners", "dock 4"),
        ("Dock 7 needs the spill team now", "spill team", "dock 7"),
        ("could the maintenance team come to hall B please", "maintenance team", "hall b"),
        ("Have somebody from maintenance come to line two", "maintenance", "line two"),
        ("some in the welding crew to bay 9", "welding crew", "bay 9"),
        ("call in the night shift", "night shift", ""),
        ("Place and the cleaning crew to the loading dock.", "cleaning crew", "loading dock"),
        ("The IT team to the server room as soon as possible", "it team", "server room"),
        ("get them over here", "", ""),
        ("", "", ""),
    ],
)
def test_team_and_place_are_read(text, team, place):
    assert summons(text) == Summons(team, place)


@given(st.text(max_size=200))
def test_any_text_is_read_without_error_and_only_its_own_words_are_told(text):
    found = summons(text)
    assert set(f"{found.team} {found.place}".split()) <= set(
        "".join(c if c.isalnum() or c in "_'" else " " for c in text.casefold()).split()
    ) | {"now"}
