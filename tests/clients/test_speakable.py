import pytest

from conch.clients.speakable import speakable

MOST = 60


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It is in aisle 5.", "It is in aisle 5."),
        ("  Two\n\nlines.\t ", "Two lines."),
        ("**Aisle 5**, next to `paint`.", "Aisle 5, next to paint."),
        ("# Answer\n- one\n- two\n3. three", "Answer one two three"),
        ("See [the plan](https://example.com/p).", "See the plan."),
        ("Look at https://example.com/a?b=c now.", "Look at now."),
        ("<think>Hm, who asks?</think>Yes.", "Yes."),
        ("<think>It never ends", ""),
        ("```python\nprint(1)\n``` Done.", "Done."),
        ("Ring\x07 the bell\x1b[31m.\u202e", "Ring the bell [31m."),
        ("Năm mươi mét.", "Năm mươi mét."),
        ("🌱Welcome! ☀️ It is 25 °C.", "Welcome! It is 25 °C."),
        ("3.5 metres by 2-4 people", "3.5 metres by 2-4 people"),
    ],
)
def test_markup_and_thoughts_are_not_spoken(written, said):
    assert speakable(written, MOST) == said


def test_a_long_answer_ends_with_a_whole_sentence():
    text = "The lift is out of order. Take the stairs at gate 3.5 m on. " + "Nobody knows more about it. " * 9

    assert speakable(text, MOST) == "The lift is out of order. Take the stairs at gate 3.5 m on."


def test_a_first_sentence_that_is_too_long_ends_at_a_word():
    said = speakable("word " * 99, MOST)

    assert said == "word " * 11 + "word…"
    assert len(said) <= MOST


def test_what_has_no_words_to_end_at_is_cut_where_it_must_be():
    assert speakable("x" * 99, MOST) == "x" * (MOST - 1) + "…"
