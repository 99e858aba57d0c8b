"""How many words were heard wrong: substituted, left out or invented."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WordErrors:
    errors: int = 0
    words: int = 0
    """That were said."""

    def __add__(self, other: "WordErrors") -> "WordErrors":
        return WordErrors(self.errors + other.errors, self.words + other.words)

    @property
    def rate(self) -> float | None:
        """Above 1 where more is invented than was said; None where nothing was said and nothing invented."""
        if self.words:
            return self.errors / self.words
        return float(self.errors) if self.errors else None


def word_errors(said: str, heard: str) -> WordErrors:
    """Case and punctuation are nobody's error."""
    wanted, got = words_of(said), words_of(heard)
    row = list(range(len(got) + 1))
    for left_out, want in enumerate(wanted, start=1):
        diagonal, row[0] = row[0], left_out
        for at, have in enumerate(got, start=1):
            diagonal, row[at] = row[at], min(diagonal + (want != have), row[at] + 1, row[at - 1] + 1)
    return WordErrors(row[-1], len(wanted))


def words_of(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())
