"""Long texts are spoken passage by passage; nothing of them is lost."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.speaking import passages


def test_a_short_text_is_one_passage() -> None:
    assert list(passages("One. Two!", 100)) == ["One. Two!"]


def test_a_long_text_is_cut_between_sentences() -> None:
    assert list(passages("One two. Three four. Five.", 12)) == ["One two.", "Three four.", "Five."]


def test_sentences_share_a_passage_as_far_as_it_goes() -> None:
    assert list(passages("A. B. C. D.", 5)) == ["A. B.", "C. D."]


def test_a_sentence_too_long_is_cut_between_words() -> None:
    assert list(passages("one two three four", 9)) == ["one two", "three", "four"]


def test_a_word_too_long_is_cut_anywhere() -> None:
    assert list(passages("abcdefgh", 3)) == ["abc", "def", "gh"]


def test_white_space_has_no_passage() -> None:
    assert list(passages(" \n\n ", 3)) == []


@given(st.text(alphabet="ab. \n!", max_size=200), st.integers(1, 30))
def test_passages_are_short_and_hold_every_letter(text: str, most: int) -> None:
    found = list(passages(text, most))
    assert all(0 < len(passage) <= most for passage in found)
    assert "".join("".join(found).split()) == "".join(text.split())
