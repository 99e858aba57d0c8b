from hypothesis import given
from hypothesis import strategies as st

from gateway.listening.hypotheses import Hypotheses, Partial


def told(*texts: str) -> list[Partial]:
    hypotheses = Hypotheses()
    return [hypotheses.heard(text) for text in texts]


def test_what_two_hypotheses_agree_on_is_stable() -> None:
    assert told("call", "call John", "call John now") == [
        Partial("call", 0),
        Partial("call John", 4),
        Partial("call John now", 9),
    ]


def test_stable_words_stay_where_a_later_hypothesis_drops_them() -> None:
    assert told("some on the", "some on the team", "summon the team to")[-1] == Partial("some on the to", 11)


def test_an_empty_hypothesis_takes_nothing_back() -> None:
    assert told("call John", "call John", "")[-1] == Partial("call John", 9)


@given(st.lists(st.lists(st.sampled_from(["a", "b", "cc"]), max_size=6).map(" ".join), max_size=12))
def test_stable_text_never_flickers(texts: list[str]) -> None:
    partials = told(*texts)
    for index, partial in enumerate(partials):
        stable = partial.text[: partial.stable_characters]
        assert len(stable) == partial.stable_characters
        assert all(later.text.startswith(stable) for later in partials[index:])
        assert all(later.stable_characters >= partial.stable_characters for later in partials[index:])
