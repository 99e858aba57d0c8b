"""The lines and word lists hold together, and what is held back is not taught."""

import random
import re

import pytest

from conch.contracts.specs import INTENTS
from training import corpus
from training.examples import Examples
from training.grammar import Grammar

READ = corpus.read()
SPLIT = corpus.split(READ)


def test_every_intent_has_lines_and_every_list_has_words() -> None:
    assert set(READ.lines) == set(INTENTS)
    assert all(len(lines) > 50 for lines in READ.lines.values())
    assert all(READ.words.values())


@pytest.mark.parametrize("intent", INTENTS)
def test_every_line_makes_a_sentence_without_leftovers(intent: str) -> None:
    grammar = Grammar(READ.words, ["word"])
    rng = random.Random(1)
    for line in READ.lines[intent]:
        for _ in range(5):
            assert not re.search(r"[\[\]{}|]", grammar.sentence(line, rng)), line


def test_held_back_lines_are_not_taught() -> None:
    for intent in INTENTS:
        taught, held_back = set(SPLIT.taught.lines[intent]), set(SPLIT.held_back.lines[intent])
        assert held_back
        assert not taught & held_back
        assert taught | held_back == set(READ.lines[intent])


def test_held_back_words_are_not_taught() -> None:
    unseen = set(SPLIT.held_back.words["team"]) - set(SPLIT.taught.words["team"])
    assert unseen
    assert unseen <= set(READ.words["team"])


def test_a_new_line_moves_no_other_line_across_the_split() -> None:
    first, *others = INTENTS
    longer = corpus.Corpus({**READ.lines, first: [*READ.lines[first], "a line nobody wrote"]}, READ.words)
    moved = corpus.split(longer)
    for intent in others:
        assert moved.taught.lines[intent] == SPLIT.taught.lines[intent]
    assert set(moved.taught.lines[first]) | {"a line nobody wrote"} >= set(SPLIT.taught.lines[first])


def test_the_fingerprint_follows_every_word() -> None:
    changed = corpus.Corpus(READ.lines, {**READ.words, "color": [*READ.words["color"], "mauve"]})
    assert corpus.fingerprint(READ) == corpus.fingerprint(corpus.read())
    assert corpus.fingerprint(READ) != corpus.fingerprint(changed)


def test_the_same_seed_makes_the_same_sentences() -> None:
    first, again = (Examples(SPLIT.taught, ["word", "other"]).take(200, random.Random(5)) for _ in range(2))
    assert first == again
    assert {example.intent for example in first} == set(INTENTS)
    assert first != Examples(SPLIT.taught, ["word", "other"]).take(200, random.Random(6))
