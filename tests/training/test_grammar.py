"""Lines with choices and slots become sentences."""

import random

from training.grammar import Grammar


def sentences(line: str, words: dict[str, list[str]] | None = None) -> set[str]:
    grammar = Grammar(words or {}, ["zebra"])
    rng = random.Random(1)
    return {grammar.sentence(line, rng) for _ in range(200)}


def test_a_choice_is_one_of_its_parts() -> None:
    assert sentences("[send|get] help") == {"send help", "get help"}


def test_an_empty_part_leaves_no_second_space() -> None:
    assert sentences("send [the|] crew") == {"send the crew", "send crew"}


def test_choices_nest() -> None:
    assert sentences("[a [b|c]|d]") == {"a b", "a c", "d"}


def test_a_slot_is_a_word_of_its_list_which_may_hold_slots() -> None:
    words = {"place": ["hall {number}", "[the|my] dock"], "number": ["1", "2"]}
    assert sentences("to {place}", words) == {"to hall 1", "to hall 2", "to the dock", "to my dock"}


def test_any_word_comes_from_the_vocabulary() -> None:
    assert sentences("the {anyword}") == {"the zebra"}
