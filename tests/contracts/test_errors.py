import inspect
import re

import pytest

from conch.contracts import errors
from conch.contracts.errors import ConchError, TooMuch

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_message_is_the_one_it_was_raised_with(kind):
    assert kind("3 given, 4 wanted").message == "3 given, 4 wanted"


def test_an_error_raised_without_words_says_its_class():
    assert ConchError().message == "ConchError"


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = re.findall(r"^    [├└]── (\w+)", errors.__doc__ or "", re.MULTILINE)
    assert sorted(drawn) == sorted(kind.__name__ for kind in CLASSES if kind is not ConchError)
    assert all(kind.__mro__[1] is ConchError for kind in CLASSES if kind is not ConchError)


def test_too_much_says_how_long_to_wait_or_that_waiting_does_not_help():
    assert TooMuch("busy", retry_after_s=1.5).retry_after_s == 1.5
    assert TooMuch("31 s, 30 are taken").retry_after_s is None
