"""Whom a command means: one of the contacts, by how the name sounds. Whoever is not surely meant is never dialled."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from conch.commands.sounds import likeness, sounds_of
from conch.commands.wordlist import words_of

SURE = 0.74
"""Likeness from which a name counts as said."""

CLOSE = 0.60
"""From here to SURE we ask back."""

APART = 0.10
"""What a sure name is ahead of the next contact's."""

SURE_PART = 0.90
"""A first or last name alone must be this alike."""

SHORT = 4
"""Sounds below which only the very word is sure, and counts at all where it is a part: "An" is in half of what people
say."""

MOST_WORDS = 4
"""That a recogniser makes of one name."""

EXACT_PART = 0.88
"""What such a name counts for, letter by letter the same: less than all of another contact's."""

_NO_NAMES = words_of(
    """a again an and ask at back call called can connect dial dialed for from get give hello hey i in is it line make
    me my now number of ok on our phone please put reach ring talk tell that the them this through to us want with
    you"""
)
"""Words around a name. By itself such a word is nobody, unless a contact is written just so."""


@dataclass(frozen=True, slots=True)
class Contact:
    name: str
    sounds_like: tuple[str, ...] = ()
    """Other spellings of how it is said, as "Voychek" for Wojciech."""


class Certainty(StrEnum):
    SURE = "sure"
    CLOSE = "close"
    """One contact sounds like it, not surely."""
    AMBIGUOUS = "ambiguous"
    """Several do."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Callee:
    certainty: Certainty
    names: tuple[str, ...] = ()
    """Of contacts, the likeliest first: one where sure or close, several where ambiguous."""
    heard: str = ""
    """The words that were taken for the first name."""
    likeness: float = 0.0


NOBODY = Callee(Certainty.NONE)


@dataclass(frozen=True, slots=True)
class _Name:
    words: tuple[str, ...]
    whole: bool
    """Not the first or last name alone."""

    @property
    def sounds(self) -> str:
        return "".join(map(sounds_of, self.words))


@dataclass(frozen=True, slots=True)
class _Span:
    """Some words of the text that stand together."""

    words: tuple[str, ...]
    sounds: str
    goes_on: bool
    """The next word looks like a name's: somebody else may be meant."""

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True, slots=True)
class _Likeness:
    value: float
    span: _Span


def callee(text: str, contacts: Sequence[Contact]) -> Callee:
    spans = tuple(_spans(_words(text)))
    found = ((contact.name, _in_text(contact, spans)) for contact in contacts)
    by_likeness = sorted(
        ((name, best) for name, best in found if best is not None and best.value >= CLOSE),
        # Equally alike names in an order that does not depend on the list's.
        key=lambda one: (-one[1].value, one[0]),
    )
    if not by_likeness:
        return NOBODY
    name, best = by_likeness[0]
    near = tuple(other for other, one in by_likeness if best.value - one.value < APART)
    if len(near) > 1:
        return Callee(Certainty.AMBIGUOUS, near, best.span.text, best.value)
    sure = best.value >= SURE and not best.span.goes_on
    return Callee(Certainty.SURE if sure else Certainty.CLOSE, (name,), best.span.text, best.value)


def _in_text(contact: Contact, spans: Sequence[_Span]) -> _Likeness | None:
    """Where the contact is best heard; None where there is nothing to hear or to look for."""
    heard = (_Likeness(_alike(name, span), span) for name in _names(contact) for span in spans)
    return max(heard, key=lambda one: one.value, default=None)


def _names(contact: Contact) -> Iterator[_Name]:
    """What the contact may be called: all of a name, and each of its parts."""
    for said in (contact.name, *contact.sounds_like):
        words = _words(said)
        if words:
            yield _Name(words, whole=True)
        if len(words) > 1:
            yield from (_Name((word,), whole=False) for word in words)


def _alike(name: _Name, span: _Span) -> float:
    same = tuple(map(str.casefold, name.words)) == tuple(map(str.casefold, span.words))
    if same and name.whole:
        return 1.0
    if all(word.casefold() in _NO_NAMES for word in span.words):
        return 0.0
    if same:
        return EXACT_PART
    short = len(name.sounds) < SHORT
    if short and not name.whole:
        return 0.0
    value = likeness(name.sounds, span.sounds)
    unsure = short or (not name.whole and value < SURE_PART)
    return min(value, SURE - 0.01 if unsure else EXACT_PART if not name.whole else 1.0)


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W\d_]+", text))


def _spans(words: Sequence[str]) -> Iterator[_Span]:
    for start in range(len(words)):
        for end in range(start + 1, min(start + MOST_WORDS, len(words)) + 1):
            some = tuple(words[start:end])
            following = words[end] if end < len(words) else ""
            goes_on = following[:1].isupper() and following.casefold() not in _NO_NAMES
            yield _Span(some, "".join(map(sounds_of, some)), goes_on)
