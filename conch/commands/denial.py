"""Whether a command is taken back in the same breath: "do not call", "call Mai, no wait"; and "don't stop, call Mai".

By words and their order, in English and Vietnamese at once. It is the second look at what a classifier took for a
command, so it errs towards a denial.
"""

import re
from enum import StrEnum

from conch.commands.wordlist import words_of


class Denial(StrEnum):
    NONE = "none"
    BEFORE = "before"
    """Something else is denied, in a sentence of its own before the command: "The belt does not move, send Ahmed"."""
    NEAR = "near"
    """Perhaps the command: behind it, or by a word that may deny it."""
    COMMAND = "command"
    """The command itself."""


_DENYING = words_of(
    """not never nobody none neither nor without dont cannot cant wont shouldnt mustnt
    đừng không chớ chưa chẳng khỏi"""
)
"""Before a command's verb these deny it; so does whatever ends in "n't"."""

_DOUBTING = words_of(
    """no nope nah cancel stop abort avoid refrain quit forget nothing instead wait hold undo ignore wrong unless
    thôi hủy huỷ khoan dừng ngừng hoãn sai"""
)
"""These may deny what they stand beside."""

_VERBS = words_of(
    """call calling called dial dialing dialling phone phoning telephone ring ringing contact reach summon summoning
    send sending dispatch dispatching get getting bring page paging alert need needs want fetch rush deploy request
    gọi quay triệu cử phái điều kêu mời nhắn"""
)
"""Of commands."""

_URGING = re.compile(
    r"\b(why (?:do not|dont|don't) (?:you|we)|(?:can't|cant|cannot|couldn't|won't) you|could you not"
    r"|(?:do not|dont|don't|never) (?:forget|hesitate|worry|wait|delay|stop))\b"
)
"""Denials that ask for the command; by them alone nothing is surely denied, and nothing surely meant."""

_NUMBERED = re.compile(r"\bno\.? ?(?=\d)")
_ENDS = re.compile(r"[,.;:!?\u2013\u2014\u2026]+|\b(?:but|nhưng)\b")


def denial(text: str) -> Denial:
    plain = _NUMBERED.sub("number ", text.casefold().replace("\u2019", "'").replace(" n't", "n't"))
    parts = [re.findall(r"[\w']+", _URGING.sub(" forget ", part)) for part in _ENDS.split(plain)]
    commanding = [at for at, words in enumerate(parts) if _VERBS.intersection(words)]
    if not commanding:
        return Denial.NEAR if any(map(_denies, parts)) else Denial.NONE
    last = commanding[-1]
    if _denied(parts[last]):
        return Denial.COMMAND
    if any(map(_denies, parts[last:])) or any(_denied(parts[at]) for at in commanding):
        return Denial.NEAR
    return Denial.BEFORE if any(map(_denies, parts[:last])) else Denial.NONE


def _denies(words: list[str]) -> bool:
    return any(_is_denying(word) or word in _DOUBTING for word in words)


def _denied(words: list[str]) -> bool:
    """Whether a verb of a command stands behind a denial, or the denial is what it is done to: "call nobody"."""
    denials = [at for at, word in enumerate(words) if _is_denying(word)]
    verbs = [at for at, word in enumerate(words) if word in _VERBS]
    after = [words[at + 1] for at in verbs if at + 1 < len(words)]
    return any(at < verb for at in denials for verb in verbs) or "nobody" in after or "off" in after


def _is_denying(word: str) -> bool:
    return word in _DENYING or word.endswith("n't")
