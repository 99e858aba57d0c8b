"""Of two catalogues no two users have an id in common."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.contracts.analysts import analysts_id

CATALOGUES = st.sampled_from(["default", "shop", "a", "b-c"])
USERS = st.text("ab:-", min_size=1, max_size=12) | st.sampled_from(["default:u", "shop:u", "shop:default:u", "u"])


@pytest.mark.parametrize(
    ("catalogue", "user", "known_as"),
    [
        ("default", "ana", "ana"),
        ("shop", "ana", "shop:ana"),
        ("default", "shop:ana", "default:shop:ana"),
        ("default", "", ""),
        ("shop", "", ""),
    ],
)
def test_who_is_known_as_what(catalogue: str, user: str, known_as: str):
    assert analysts_id(catalogue, user) == known_as


@given(CATALOGUES, USERS, CATALOGUES, USERS)
def test_two_people_have_two_ids(catalogue: str, user: str, another: str, other: str):
    same = analysts_id(catalogue, user) == analysts_id(another, other)
    assert same == ((catalogue, user) == (another, other))
