"""Which team a command sends, and where to: "cleaning crew", "aisle 5".

Read off the words' order, as English commands have it: a verb, the team, "to" and the place, and how urgent it is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from conch.commands.wordlist import words_of

MOST_WORDS = 6
"""Of a team's or a place's name; what is longer was not read rightly."""

_TOWARDS = words_of("to at in on by near inside outside behind beside around into from")

_SENDING = words_of(
    """alert ask assemble bring call command deploy demand direct dispatch escort fetch gather get guide have help let
    mobilize move need needs notify order page put rally relocate request requesting requests require requires return
    route rush send set start summon summoned summons tell transfer use want wants hurry like asking asked both"""
)
"""After the last of these before the place stands the team."""

_OPENING = re.compile(
    r"^.*\b(some in|so men|sam and|sum and|see that|make sure|round up|call (?:out|in|for)|the call for|bring in"
    r"|put|short of)\b|^(?:salmon|cent|sand|end|attention|listen|hello|hey|okay|ok)\b"
)
"""What stands before a team and is no verb of `_SENDING`; "some in" is how "summon" is misheard."""

_WITH_IN = words_of("bring call come some")

_GOING = words_of(
    """arrive be been come comes drop get gets go head hear help know look meet move proceed rally report run sent start
    stop work"""
)
"""Verbs that may follow "to": then no place follows."""

_ENDING = words_of(
    """and asap because before but can could emergency fast for hurry if immediately it's its now please quickly right
    send since so somebody someone straight than thank thanks that then there there's they this urgent urgently
    we when where's while who with would you"""
)
"""A place's name ends before one of these."""

_AROUND = words_of(
    """a all an any are around back be been both bring by can come comes coming could down everything for get gets go
    head here i in is its just know let me more move my need needed now of off on our out over please proceed quick
    quickly ready report right send sent should some somebody someone that the their them then there they to
    up us way we will would you your"""
)
"""Words beside a team's name that are not of it."""

_BEHIND = words_of("are be down here is needed out over should up")
"""Words right after a team's name."""

_SOON = re.compile(
    r"\b(as soon as possible|at once|at least|in \w+ minutes|on the double|in a hurry|on (?:its|their|my|the) way"
    r"|this minute|right (?:away|now)|straight away)\b"
)
_NEEDING = re.compile(
    r"^(?P<place>[\w' ]+?) (?:needs|requires|requests|wants|is asking for|has asked for) (?P<team>.+)$"
)


@dataclass(frozen=True, slots=True)
class Summons:
    team: str = ""
    """Without an article, in lower case; empty where none was named."""
    place: str = ""
    """Empty where none was named: here."""


def summons(text: str) -> Summons:
    words = _SOON.sub(" now ", " ".join(re.findall(r"[\w']+", text.casefold()))).split()
    if (needing := _NEEDING.match(" ".join(words))) is not None:
        place = _place(needing["place"].split())
        if place:
            return Summons(_team(needing["team"].split()), place)
    for at in reversed(range(len(words))):
        if _leads_somewhere(words, at) and (place := _place(words[at + 1 :])):
            # "There is oil at dock 3, send the cleaners": who comes is told last.
            return Summons(_sent(words[at + 1 :]) or _team(words[:at]), place)
    return Summons(_team(words))


def _leads_somewhere(words: Sequence[str], at: int) -> bool:
    phrasal = at > 0 and words[at - 1] in _WITH_IN and words[at] == "in"
    return words[at] in _TOWARDS and not phrasal


def _place(words: Sequence[str]) -> str:
    """The name that `words` begin with; empty where they begin with something else."""
    if not words or words[0] in _GOING | _SENDING:
        return ""
    named = []
    for word in words:
        if word in _ENDING | _SENDING:
            break
        named.append(word)
    if named[:1] in (["the"], ["a"], ["an"]):
        named = named[1:]
    return " ".join(named) if len(named) <= MOST_WORDS else ""


def _team(words: Sequence[str]) -> str:
    """The name that is left of `words` without what stands around it."""
    words = _OPENING.sub(" ", " ".join(words)).split()
    # The verb may have been misheard ("place and the cleaning crew"); the last article is where the team's name begins.
    articles = [at for at, word in enumerate(words[:-1]) if word in ("the", "a", "an")]
    return _sent(words) or _named(words[articles[-1] :] if articles else words)


def _sent(words: Sequence[str]) -> str:
    """What stands after the last verb that has a team after it."""
    verbs = [at for at, word in enumerate(words) if word in _SENDING]
    return next((named for verb in reversed(verbs) if (named := _named(words[verb + 1 :]))), "")


def _named(words: Sequence[str]) -> str:
    named = list(words)
    while named and named[0] in _AROUND | _TOWARDS:
        named.pop(0)
    for at, word in enumerate(named):
        if word in _ENDING | _GOING | _BEHIND | (_TOWARDS - {"on"}) or (word == "on" and at > 0):
            named = named[:at]
            break
    return " ".join(named) if len(named) <= MOST_WORDS else ""
