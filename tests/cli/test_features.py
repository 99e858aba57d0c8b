"""What `conch features put` makes of what somebody types."""

import pytest

from conch.cli.features import value_of
from conch.contracts.errors import InvalidRequest
from conch.features.packing import FLASH_SALE, promo_columns
from conch.stores.features import Hash, List, SortedSet


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("cat:co_view:a", '{"b": 2, "c": 0.5}', SortedSet({"b": 2.0, "c": 0.5})),
        ("user:views:u", '["p", "q"]', List(["p", "q"])),
        ("master:pids:m", '{"p": "9.99:s:4"}', Hash({"p": "9.99:s:4"})),
        ("promo:p", '{"boost": "1.5"}', Hash({"boost": "1.5"})),
        ("promo:p", '{"boost": 1.5, "flash_sale": true}', Hash({"boost": "1.5", "flash_sale": "true"})),
    ],
)
def test_its_kind_follows_from_its_values_and_a_promo_is_a_hash(key, text, value):
    assert value_of(key, text) == value


def test_a_promo_of_numbers_and_words_of_json_is_read_as_it_is_meant():
    promo = value_of("promo:p", '{"boost": 2, "expiry": 1924992000000, "flash_sale": true, "out_of_stock": false}')
    assert isinstance(promo, Hash)
    columns = promo_columns(promo.fields)
    assert (columns["boost"][0], columns["expiry"][0], columns["flags"][0]) == (2.0, 1924992000000, FLASH_SALE)


@pytest.mark.parametrize("text", ["[1, 2]", "{}", '{"boost": []}', '{"a": 1, "b": "c"}', "7", "{"])
def test_anything_else_is_refused(text):
    with pytest.raises(InvalidRequest):
        value_of("cat:co_view:a", text)
