"""Names that sound alike are alike, whatever their spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.commands.sounds import likeness, sounds_of

NAMES = st.text(st.characters(categories=("L",)), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Cathy", "Kathy"), ("Jon", "john"), ("Björn", "Bjorn"), ("Đức", "Duc"), ("Phil", "Fil"), ("Straße", "Strasse")],
)
def test_spellings_of_one_sound_are_the_same(one, other):
    assert sounds_of(one) == sounds_of(other)


@pytest.mark.parametrize(
    ("said", "heard", "instead"),
    [
        ("Nguyen", "newin", "Miller"),
        ("Siobhan", "Shivon", "Kate"),
        ("Xavier", "Sabier", "Miguel"),
        ("Kowalski", "Kawoski", "Lopez"),
    ],
)
def test_a_misheard_name_is_nearer_to_itself_than_to_another(said, heard, instead):
    assert likeness(sounds_of(said), sounds_of(heard)) > likeness(sounds_of(instead), sounds_of(heard))


@given(NAMES, NAMES)
def test_likeness_is_symmetric_and_between_nothing_and_all(one, other):
    one, other = sounds_of(one), sounds_of(other)
    alike = likeness(one, other)
    assert 0 <= alike <= 1
    assert alike == pytest.approx(likeness(other, one))


@given(NAMES)
def test_what_is_not_written_in_latin_letters_is_like_nothing(name):
    sounds = sounds_of(name)
    assert likeness(sounds, sounds) == (1 if sounds else 0)


def test_a_word_in_another_script_has_no_sounds():
    assert sounds_of("Иван") == ""
