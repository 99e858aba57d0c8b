"""What features.toml says of families of keys."""

import pytest

from conch.contracts.errors import InvalidRequest
from conch.features.families import Families


def test_without_a_file_every_family_is_packed(tmp_path):
    assert Families.read(tmp_path / "features.toml") == Families(frozenset(), 100)


def test_a_file_says_what_is_read_plainly_and_how_many_relations_are_packed(tmp_path):
    file = tmp_path / "features.toml"
    file.write_text(
        '["user:views"]\npacked = false\n[promo]\npacked = true\n["master:sem"]\npacked = false\nrelations = 300\n'
    )
    assert Families.read(file) == Families(frozenset({"user:views", "master:sem"}), 300)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[views]\npacked = false", "'views' is no table of one of master:sem"),
        ("promo = false", "'promo' is no table"),
        ("[promo]\npacked = 0", r"promo\.packed is 0; `packed` is true or false"),
        ("[promo]\nrelations = 5", r"promo\.relations is 5"),
        ('["master:sem"]\nrelations = 0', r"master:sem\.relations is 0; .* from 1 to 1000"),
        ('["master:sem"]\nrelations = true', r"master:sem\.relations is True"),
        ("[promo", "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_file_and_the_key(tmp_path, text, message):
    file = tmp_path / "features.toml"
    file.write_text(text)
    with pytest.raises(InvalidRequest, match=message) as refused:
        Families.read(file)
    assert refused.value.message.startswith(str(file))
