"""When each word was said, from the decoder's attention: tokens joined to words, positions turned into seconds."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from conch.models.decoder import Aligned

POSITION_S = 0.02
"""Seconds an encoder position: two mel frames."""

_SPACELESS = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
"""Languages that set no spaces: a word for each character."""

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    """Without spaces around it, with its punctuation."""
    start_s: float
    end_s: float
    probability: float
    """Mean over its tokens."""


@dataclass(frozen=True, slots=True)
class Between:
    """Seconds of the call's audio that was decoded; words lie within."""

    start_s: float
    end_s: float


def words_of(
    ids: Sequence[int], decode: Callable[[Sequence[int]], str], language: str, aligned: Aligned, heard: Between
) -> list[Word]:
    """In order; a word never starts before the one before it ends."""
    words: list[Word] = []
    starts = _token_starts(aligned.pairs, len(ids))
    cursor = heard.start_s
    first = 0
    for pieces in join(ids, decode, language):
        end = first + len(pieces)
        begin_s = _within(heard.start_s + starts[first] * POSITION_S, cursor, heard.end_s)
        end_s = _within(heard.start_s + starts[end] * POSITION_S, begin_s, heard.end_s)
        probabilities = aligned.probabilities[first:end]
        text = decode(pieces).strip()
        if text:
            words.append(Word(text, begin_s, end_s, sum(probabilities) / max(len(probabilities), 1)))
        cursor, first = end_s, end
    return words


def join(ids: Sequence[int], decode: Callable[[Sequence[int]], str], language: str) -> list[list[int]]:
    """Tokens by word; punctuation goes with the word before it, an opening mark with the one after."""
    groups: list[list[int]] = []
    opened = False
    for piece in _characters(ids, decode):
        text = decode(piece)
        if groups and (opened or _continues(text, language)):
            groups[-1] += piece
        else:
            groups.append(piece)
        opened = _opens(text)
    return groups


def _characters(ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> list[list[int]]:
    """Tokens in the smallest groups that are whole characters; a rest that never gets whole stays together."""
    groups: list[list[int]] = []
    unfinished: list[int] = []
    for token in ids:
        unfinished.append(token)
        if _UNFINISHED not in decode(unfinished):
            groups.append(unfinished)
            unfinished = []
    return [*groups, unfinished] if unfinished else groups


def _continues(text: str, language: str) -> bool:
    """Whether this piece belongs to the word before it."""
    if _is_mark(text):
        return not _opens(text)
    return language not in _SPACELESS and not text[0].isspace()


def _opens(text: str) -> bool:
    """Whether this piece is a bracket or quote that the next word follows; a straight quote shows it by its space."""
    return _is_mark(text) and (text[0].isspace() or unicodedata.category(text[-1]) in ("Ps", "Pi"))


def _is_mark(text: str) -> bool:
    return bool(text.strip()) and not any(character.isalnum() for character in text)


def _token_starts(pairs: Sequence[tuple[int, int]], tokens: int) -> list[int]:
    """The encoder position where each token starts, and one more where the last ends."""
    starts: dict[int, int] = {}
    last = 0
    for token, position in pairs:
        starts.setdefault(token, position)
        last = max(last, position + 1)
    filled: list[int] = []
    for token in range(tokens + 1):
        filled.append(starts.get(token, last if token == tokens else (filled[-1] if filled else 0)))
    return filled


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
