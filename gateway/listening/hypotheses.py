"""What of a partial text stays: the words on which two hypotheses in a row agree.

The stable text only grows. Where a later hypothesis contradicts it, it is told on, and the final has the last word.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Partial:
    text: str
    stable_characters: int
    """Of the text's beginning, that later partials of this utterance begin with too."""


class Hypotheses:
    """Of one utterance."""

    def __init__(self) -> None:
        self._stable: tuple[str, ...] = ()
        self._last: tuple[str, ...] = ()

    def heard(self, text: str) -> Partial:
        """`text` is of the utterance from its beginning, each time of more audio."""
        words = tuple(text.split())
        agreed = _common(self._last, words)
        self._last = words
        if len(agreed) > len(self._stable) and agreed[: len(self._stable)] == self._stable:
            self._stable = agreed
        told = self._stable + words[len(self._stable) :]
        return Partial(" ".join(told), len(" ".join(self._stable)))


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """The words with which both begin."""
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return other[:length]
