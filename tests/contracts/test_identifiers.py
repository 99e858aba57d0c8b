"""Ids as they are written, one by one and many together."""

import random
from uuid import UUID, uuid4

import numpy as np
import pytest

from conch.contracts.errors import InvalidRequest
from conch.contracts.identifiers import texts_of, uuid_of, uuids_of

KEYS = [str(UUID(int=random.Random(1).getrandbits(128) ^ number)) for number in range(100)]
ODD = [
    pytest.param("a" * 36, id="digits alone"),
    pytest.param(KEYS[0].replace("-", ":"), id="no hyphens"),
    pytest.param(KEYS[0][:-1] + "g", id="no digit"),
    pytest.param(KEYS[0][:-1] + "é", id="another alphabet"),
    pytest.param(KEYS[0][:8] + "--" + KEYS[0][10:], id="a hyphen too many"),
    pytest.param(KEYS[0].replace("-", ""), id="digits only"),
    pytest.param("shirt-7", id="a name"),
]


def each(keys: list[str]) -> list[list[int]]:
    return [list(uuid_of("shop", key).bytes) for key in keys]


@pytest.mark.parametrize("count", [0, 1, 23, 24, 100])
def test_many_are_read_and_written_as_each_is(count: int) -> None:
    keys = KEYS[:count]
    uuids = uuids_of("shop", keys)
    assert uuids.dtype == np.uint8
    assert uuids.shape == (count, 16)
    assert uuids.tolist() == each(keys)
    assert texts_of(uuids) == keys


def test_capitals_are_the_same_uuid() -> None:
    assert uuids_of("shop", [key.upper() for key in KEYS]).tolist() == uuids_of("shop", KEYS).tolist()


@pytest.mark.parametrize("odd", ODD)
def test_a_key_that_is_no_uuid_has_its_own_among_those_that_are(odd: str) -> None:
    keys = [*KEYS[:50], odd, *KEYS[50:]]
    assert uuids_of("shop", keys).tolist() == each(keys)


def test_rows_that_are_not_next_to_each_other_are_written_too() -> None:
    wide = np.frombuffer(uuid4().bytes + uuid4().bytes, np.uint8).reshape(1, 32)
    assert texts_of(wide[:, 16:]) == [str(UUID(bytes=wide[0, 16:].tobytes()))]


@pytest.mark.parametrize("key", ["", "k" * 201])
def test_a_key_of_no_length_or_too_much_is_refused_among_many(key: str) -> None:
    with pytest.raises(InvalidRequest, match=f"an id has {len(key)} characters"):
        uuids_of("shop", [*KEYS, key])
