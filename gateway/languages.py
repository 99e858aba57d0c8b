"""Agree on the language of a recording from its first pieces."""

from collections import defaultdict

SETTLED_S = 4.0
"""Seconds of speech, each weighed by how sure the recogniser is, that settle it."""


class LanguageVote:
    """By seconds of speech; of equals the one heard first leads."""

    def __init__(self) -> None:
        self._weights: dict[str, float] = defaultdict(float)

    def add(self, language: str, speech_s: float, probability: float) -> None:
        self._weights[language] += speech_s * probability

    @property
    def leader(self) -> str:
        """Empty where nothing was said."""
        return max(self._weights, key=self._weights.__getitem__, default="")

    @property
    def settled(self) -> str:
        """The leader, once it has enough; empty until then."""
        return self.leader if self._weights and self._weights[self.leader] >= SETTLED_S else ""
