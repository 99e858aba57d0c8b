"""How a name sounds, roughly: enough to find "Nguyen" in "new in", as a recogniser writes names it does not know.

Spelling becomes a string of one letter a sound, by rules of English and of the spellings of other languages that
people's names bring along. Two such strings are as alike as one is cheaply turned into the other: a vowel into another
vowel costs little, "p" into "b" more, "p" into "l" most.
"""

import re
import unicodedata
from functools import cache, lru_cache
from itertools import accumulate

VOWELS = frozenset("aeiou")

_FAINT = frozenset("hwy")

_RUN_ON = 0.25

_KIN = tuple(map(frozenset, ("pb", "td", "kg", "fvw", "szSCjT", "mn", "lr", "tdT", "yji", "wu", "bv", "fT", "fp")))
"""Sounds that are taken for each other. Capitals are those that no single letter writes: S(h), (t)C(h), T(h)."""

_RULES = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"^nguy", "nui"),
        (r"^ngu", "nw"),
        (r"^ng|^kn|^gn", "n"),
        (r"^wr|^rh", "r"),
        (r"^x", "z"),
        (r"tsch|tch|cz|tz|ch", "C"),
        (r"sch|sh|sz|zh", "S"),
        (r"(?<=[aeiou])gh", ""),
        (r"ph", "f"),
        (r"th", "T"),
        (r"qu", "kw"),
        (r"ck|q|cc(?![eiy])", "k"),
        (r"c(?=[eiy])", "s"),
        (r"c", "k"),
        (r"gu(?=[ei])", "g"),
        (r"dge|dg|g(?=[eiy])", "j"),
        (r"x", "ks"),
        (r"nh", "n"),
        (r"wh", "w"),
        (r"(?<=[aeiouy])h|h$", ""),
        (r"ti(?=[aou])|si(?=[ao])", "S"),
        (r"mb$", "m"),
        (r"(?<=[aeiou])w|w$", "u"),
        (r"y(?![aeiou])", "i"),
        (r"(.)\1+", r"\1"),
        (r"(?<=..)e$", ""),
    )
)
"""In this order, each on what the ones before have left."""

_LETTERS = str.maketrans({"đ": "d", "ß": "ss", "ø": "o", "ł": "l", "æ": "ae", "œ": "e", "þ": "th"})


@lru_cache(maxsize=4096)
def sounds_of(word: str) -> str:
    """One letter a sound; empty for what is not written in Latin letters."""
    plain = unicodedata.normalize("NFKD", word.casefold().translate(_LETTERS))
    sounds = "".join(letter for letter in plain if letter.isascii() and letter.isalpha())
    for pattern, sound in _RULES:
        sounds = pattern.sub(sound, sounds)
    return sounds


def likeness(one: str, other: str) -> float:
    """Of two strings of sounds: 1 where they are the same, 0 where nothing is."""
    if one == other:
        return 1.0 if one else 0.0
    # Twice as long is nothing alike, and most pairs are told apart here.
    if 2 * min(len(one), len(other)) < max(len(one), len(other)):
        return 0.0
    silence = sum(_dropping(one)) + sum(_dropping(other))
    return max(0.0, 1.0 - 2.0 * _distance(one, other) / silence)


def _distance(one: str, other: str) -> float:
    """Levenshtein's, with the costs of sounds."""
    dropping = _dropping(other)
    row = [0.0, *accumulate(dropping)]
    for sound, dropped in zip(one, _dropping(one), strict=True):
        above, row = row, [row[0] + dropped]
        for at, heard in enumerate(other):
            row.append(min(above[at] + _taken(sound, heard), above[at + 1] + dropped, row[at] + dropping[at]))
    return row[-1]


@lru_cache(maxsize=4096)
def _dropping(sounds: str) -> tuple[float, ...]:
    """What each costs to leave out; of two vowels in a row one is nearly nothing."""
    after = zip(sounds, f" {sounds}", strict=False)
    return tuple(_RUN_ON if sound in VOWELS and before in VOWELS else _alone(sound) for sound, before in after)


def _alone(sound: str) -> float:
    if sound in VOWELS:
        return 0.45
    return 0.5 if sound in _FAINT else 0.9


@cache
def _taken(sound: str, heard: str) -> float:
    if sound == heard:
        return 0.0
    if sound in VOWELS and heard in VOWELS:
        return 0.3
    if any(sound in kin and heard in kin for kin in _KIN):
        return 0.4
    return 1.2 if sound in VOWELS or heard in VOWELS else 1.0
