import pytest

from conch.contracts.errors import InvalidRequest
from conch.models.wordpiece import WordPiece


@pytest.fixture(params=["embedding", "intent"])
def pieces(request, weights):
    return WordPiece.open(weights(request.param) / "tokenizer.json", max_tokens=16, max_characters=100)


def test_a_text_stands_between_its_frame(pieces):
    first, *middle, last = pieces.ids("call john")
    assert (len(middle), first == last) == (2, False)


def test_special_pieces_that_somebody_wrote_are_text(pieces):
    start, *_, end = pieces.ids("call john")
    written = pieces.ids("call [SEP] john [CLS]")
    assert list(written).count(start) == 1
    assert list(written).count(end) == 1


def test_what_is_too_long_in_pieces_is_cut_and_keeps_its_frame(pieces):
    assert len(pieces.ids("call john " * 9)) == 16
    assert pieces.ids("call john " * 9)[-1] == pieces.ids("hi")[-1]


def test_what_would_take_long_to_cut_is_refused_with_both_numbers(pieces):
    with pytest.raises(InvalidRequest, match="text has 101 characters, the model takes at most 100"):
        pieces.ids("a" * 101)
