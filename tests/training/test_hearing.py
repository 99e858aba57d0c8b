"""What a recogniser does to a sentence leaves its meaning."""

import random

from training.hearing import hear


def test_most_sentences_are_heard_as_they_were_said() -> None:
    rng = random.Random(1)
    said = "send people to dock seven"
    heard = [hear(said, rng) for _ in range(400)]
    assert heard.count(said) > 200
    assert len(set(heard)) > 20


def test_a_negation_is_never_lost() -> None:
    rng = random.Random(2)
    for _ in range(2_000):
        heard = hear("do not call john", rng).split()
        assert "not" in heard


def test_even_a_single_word_is_heard() -> None:
    rng = random.Random(3)
    assert all(hear("stop", rng) for _ in range(500))
