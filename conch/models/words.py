"""When each word was said, from the decoder's attention: tokens joined to words, positions turned into seconds."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import fmean

from conch.contracts.specs import SPEECH_RATE
from conch.models.decoder import Aligned
from conch.models.speech import Run, Speech

POSITION_S = 0.02
"""Seconds an encoder position: two mel frames."""

MARGIN_S = 0.1
"""The VAD comes late to soft consonants, and leaves early."""

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


def words_of(
    ids: Sequence[int], decode: Callable[[Sequence[int]], str], language: str, aligned: Aligned, speech: Speech
) -> list[Word]:
    """In order, within the speech; none starts before the one before it ends. Seconds of the caller's audio."""
    words: list[Word] = []
    positions = _starts(aligned.pairs, len(ids))
    from_s, to_s = speech.start / SPEECH_RATE, speech.end / SPEECH_RATE
    first = 0
    for tokens in join(ids, decode, language):
        end = first + len(tokens)
        start_s = min(from_s + positions[first] * POSITION_S, to_s)
        end_s = min(from_s + positions[end] * POSITION_S, to_s)
        start_s, end_s = without_pause(start_s, end_s, speech.runs)
        text = decode(tokens).strip()
        if text:
            words.append(Word(text, start_s, end_s, fmean(aligned.probabilities[first:end])))
        first = end
    return words


def without_pause(start_s: float, end_s: float, runs: Sequence[Run]) -> tuple[float, float]:
    """The part of a word that is spoken: attention gives a pause to the word at its side."""
    parts = [(max(start_s, run.start_s - MARGIN_S), min(end_s, run.end_s + MARGIN_S)) for run in runs]
    start, end = max(parts, key=lambda part: part[1] - part[0])
    return (start, end) if start < end else (start_s, end_s)


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


def _starts(pairs: Sequence[tuple[int, int]], tokens: int) -> list[int]:
    """The encoder position where each token starts, and one more where the last ends; never falling."""
    found: dict[int, int] = {}
    for token, position in pairs:
        found.setdefault(token, position)
    found.setdefault(tokens, pairs[-1][1] + 1 if pairs else 0)
    return list(accumulate((found.get(token, 0) for token in range(tokens + 1)), max))
