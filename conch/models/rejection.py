"""What Whisper invents over silence and noise, told from what was said.

No single score is enough: noise has a high no-speech probability or a low log-probability, but a loop has a high one,
since each repetition makes the next more likely.
"""

import re
import zlib
from enum import StrEnum

MAX_NO_SPEECH_PROB = 0.6
MIN_AVG_LOGPROB = -1.0
MAX_COMPRESSION_RATIO = 2.4

# A text made of the caller's hints alone may be their echo: spoken ones had at most 0.1 and at least -0.65.
MAX_NO_SPEECH_PROB_OF_ECHO = 0.3
MIN_AVG_LOGPROB_OF_ECHO = -0.6

MAX_UNIT_WORDS = 12
"""Words in the longest phrase that is looked for as a loop's turn."""

_TURNS_OF_ONE_WORD = 6
"""People do say "no, no, no, no"."""
_TURNS_OF_A_PHRASE = 4
_TURNS_OF_LETTERS = 10
"""Within a word, or in a script that sets no spaces."""

_LETTER_LOOP = re.compile(rf"([^\W\d_]{{1,8}}?)\1{{{_TURNS_OF_LETTERS - 1},}}")


class Rejected(StrEnum):
    """Why a text is empty; the values are the model's `rejected` output."""

    NOT = ""
    SILENCE = "silence"
    """The VAD heard nobody; Whisper was not asked."""
    NO_SPEECH = "no_speech"
    LOW_CONFIDENCE = "low_confidence"
    LOOP = "loop"


def judge(text: str, hints: str, no_speech_prob: float, avg_logprob: float) -> Rejected:
    """The first rule that a text breaks; `hints` are the words that its prompt told to expect."""
    if no_speech_prob > MAX_NO_SPEECH_PROB:
        return Rejected.NO_SPEECH
    if avg_logprob < MIN_AVG_LOGPROB:
        return Rejected.LOW_CONFIDENCE
    if compression_ratio(text) > MAX_COMPRESSION_RATIO or loops(text):
        return Rejected.LOOP
    doubtful = no_speech_prob > MAX_NO_SPEECH_PROB_OF_ECHO and avg_logprob < MIN_AVG_LOGPROB_OF_ECHO
    if doubtful and echoes(text, hints):
        return Rejected.LOW_CONFIDENCE
    return Rejected.NOT


def echoes(text: str, hints: str) -> bool:
    """Whether every word of the text is one of the hints."""
    return set(_words(text)) <= set(_words(hints))


def compression_ratio(text: str) -> float:
    """UTF-8 bytes by their zlib length; 0 for no text. Short texts stay below 1."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def loops(text: str) -> bool:
    """Whether a phrase follows itself so often that nobody said it."""
    words = _words(text)
    # Numbers repeat their digits; a number is like no other.
    phrases = [f"{word} {index}" if word.isdigit() else word for index, word in enumerate(words)]
    return (
        _turns(phrases, 1) >= _TURNS_OF_ONE_WORD
        or any(_turns(phrases, unit) >= _TURNS_OF_A_PHRASE for unit in range(2, MAX_UNIT_WORDS + 1))
        or _LETTER_LOOP.search("".join(words)) is not None
    )


def _turns(words: list[str], unit: int) -> int:
    """How often, at most, a phrase of `unit` words stands in a row."""
    longest = run = 0
    for index in range(unit, len(words)):
        run = run + 1 if words[index] == words[index - unit] else 0
        longest = max(longest, run)
    return longest // unit + 1


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
