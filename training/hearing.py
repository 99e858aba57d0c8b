"""Garble a sentence as a speech recogniser does: fillers, lost words, stutters, and words that sound alike."""

import random
import re

_FILLERS = (
    "um|uh|er|so|well|okay|ok|hey|listen|hello|right|alright|hi|um so|hey there|excuse me|conch|hey conch|computer"
)
_AFTER = "um|uh|please|thanks|thank you|okay|right|you know"
FILLERS_BEFORE, FILLERS_AFTER = _FILLERS.split("|"), _AFTER.split("|")

SOUNDS_LIKE = {
    "summon": ["some in", "someone", "salmon", "sum and", "so men", "summons"],
    "call": ["col", "cole", "caul", "cold"],
    "crew": ["crue", "cru", "grew"],
    "hall": ["hole", "haul", "whole"],
    "dock": ["duck", "doc"],
    "line": ["lion", "lyne"],
    "four": ["for", "fore"],
    "two": ["to", "too"],
    "one": ["won"],
    "eight": ["ate"],
    "to": ["two", "too"],
    "send": ["sand", "sent", "scent"],
    "aisle": ["isle", "i'll"],
    "bay": ["bey", "pay"],
    "team": ["teem", "theme"],
    "spill": ["spell"],
    "cleaning": ["clean in", "cleaning in"],
    "weld": ["well"],
    "forklift": ["fork lift", "four clift"],
    "medic": ["metic", "magic"],
    "page": ["paige"],
    "phone": ["fone", "foam"],
    "dial": ["dile", "doll", "style"],
    "ring": ["wring"],
    "nguyen": ["new in", "win", "when"],
    "supervisor": ["super visor"],
    "maintenance": ["maintain hence", "main tenants", "maintenance's"],
    "gate": ["gait", "great"],
    "floor": ["flaw", "flower"],
    "weather": ["whether"],
    "their": ["there"],
    "right": ["write"],
    "buy": ["by", "bye"],
    "mail": ["male"],
    "flight": ["fright"],
    "need": ["knead"],
    "don't": ["dont", "don"],
    "it's": ["its"],
    "i'm": ["im"],
    "what's": ["whats", "what"],
}

_ARTICLES = re.compile(r"\b(the|a|an) ")
_NEVER_LOST = {"not", "don't", "dont", "never", "no", "cancel", "stop", "did", "didn't", "without", "if", "remind"}
"""Words whose loss would turn the sentence round."""


def hear(sentence: str, rng: random.Random) -> str:
    """Mostly what was said."""
    words = (_ARTICLES.sub("", sentence) if rng.random() < 0.15 else sentence).split()
    if rng.random() < 0.10:
        words = [_misheard(word, rng) for word in words]
    if rng.random() < 0.04 and len(words) > 3:
        lost = rng.randrange(len(words))
        if words[lost] not in _NEVER_LOST:
            del words[lost]
    if rng.random() < 0.03:
        again = rng.randrange(len(words))
        words.insert(again, words[again])
    if rng.random() < 0.12:
        words.insert(0, rng.choice(FILLERS_BEFORE))
    if rng.random() < 0.05:
        words.append(rng.choice(FILLERS_AFTER))
    heard = " ".join(words)
    return heard.replace("'", "") if rng.random() < 0.25 else heard


def _misheard(word: str, rng: random.Random) -> str:
    return rng.choice(SOUNDS_LIKE[word]) if word in SOUNDS_LIKE and rng.random() < 0.5 else word
