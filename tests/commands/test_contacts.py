"""Whoever is not surely meant is never dialled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.commands.contacts import NOBODY, Certainty, Contact, callee

PEOPLE = tuple(
    map(
        Contact,
        ("John", "Nguyen Van An", "Pham Thi Hoa", "Sarah Miller", "Jean-Pierre", "Miguel", "Kowalski", "Maria Lopez"),
    )
)

WORDS = st.lists(
    st.sampled_from(["call", "dial", "please", "John", "new", "in", "Miller", "Mueller", "boss", "an", "me"]),
    max_size=8,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("file John", "John"),
        ("Please dial John.", "John"),
        ("call new in", "Nguyen Van An"),
        ("Connect me with Newing Van and please.", "Nguyen Van An"),
        ("Please dial Gene Pierre.", "Jean-Pierre"),
        ("Connect me with Kalski, please.", "Kowalski"),
        ("Phone FAMTHIHOR from maintenance", "Pham Thi Hoa"),
        ("get me Sarah", "Sarah Miller"),
        ("call Marie Lopez", "Maria Lopez"),
    ],
)
def test_a_name_is_found_as_it_was_misheard(text, name):
    found = callee(text, PEOPLE)
    assert found.names == (name,)
    assert found.certainty in (Certainty.SURE, Certainty.CLOSE)


@pytest.mark.parametrize("text", ["Please dial John.", "file John", "JOHN, please"])
def test_a_name_as_it_is_written_is_sure(text):
    assert callee(text, PEOPLE).certainty is Certainty.SURE


@pytest.mark.parametrize(
    "text", ["", "call", "please call me back", "call the boss", "dial one", "Could you connect us to them?", "Иван"]
)
def test_nobody_is_meant_where_no_name_is_near(text):
    assert callee(text, PEOPLE) == NOBODY


@pytest.mark.parametrize("text", ["Call Jane.", "Connect me with Joan, please.", "phone chon for maintenance."])
def test_somebody_else_who_sounds_near_is_never_sure(text):
    assert callee(text, PEOPLE).certainty in (Certainty.CLOSE, Certainty.AMBIGUOUS)


def test_a_longer_name_than_the_contacts_is_asked_about():
    assert callee("Call John Smith.", PEOPLE).certainty is Certainty.CLOSE
    assert callee("Call John please", PEOPLE).certainty is Certainty.SURE


def test_two_of_one_name_are_both_told():
    found = callee("call John", [Contact("John Smith"), Contact("John Baker")])
    assert (found.certainty, found.names) == (Certainty.AMBIGUOUS, ("John Baker", "John Smith"))
    assert callee("call John Baker", [Contact("John Smith"), Contact("John Baker")]).names == ("John Baker",)


def test_a_short_word_alone_is_no_sure_name():
    contacts = [Contact("Nguyen Van An")]
    assert callee("Please dial in.", contacts).certainty is not Certainty.SURE
    assert callee("Call an ambulance", contacts).certainty is not Certainty.SURE


def test_another_spelling_helps():
    text = "Please dial Voychek."
    assert callee(text, [Contact("Wojciech")]).certainty is not Certainty.SURE
    assert callee(text, [Contact("Wojciech", sounds_like=("Voychek",))]).certainty is Certainty.SURE


def test_without_contacts_nobody_is_meant():
    assert callee("call John", []) == NOBODY


@given(st.sampled_from(PEOPLE))
def test_everybody_is_found_by_their_own_name(contact):
    found = callee(f"please call {contact.name}", PEOPLE)
    assert (found.certainty, found.names) == (Certainty.SURE, (contact.name,))


@given(WORDS, st.permutations(PEOPLE))
def test_the_order_of_the_contacts_changes_nothing(words, contacts):
    text = " ".join(words)
    assert callee(text, contacts) == callee(text, PEOPLE)


@given(WORDS)
def test_only_one_sure_name_is_ever_told(words):
    found = callee(" ".join(words), PEOPLE)
    assert (len(found.names) > 1) == (found.certainty is Certainty.AMBIGUOUS)
    assert (found.names == ()) == (found.certainty is Certainty.NONE)
