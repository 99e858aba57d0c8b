"""Make sentences from lines with choices: `[send|get] {team} to {place}`.

`[a|b|]` is one of its parts, nothing being one of them; `{team}` is a line of the word list `team`, which may hold
choices and slots of its own. `{anyword}` is any word of the vocabulary.
"""

import random
import re
from collections.abc import Mapping, Sequence

ANYWORD = "anyword"

_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_SPACE = re.compile(r"\s+")


class Grammar:
    def __init__(self, words: Mapping[str, Sequence[str]], vocabulary: Sequence[str]) -> None:
        self._words = {**words, ANYWORD: vocabulary}

    def sentence(self, line: str, rng: random.Random) -> str:
        """One of the sentences that `line` stands for."""
        while (choice := _CHOICE.search(line)) is not None:
            line = line[: choice.start()] + rng.choice(choice[1].split("|")) + line[choice.end() :]
        filled = _SLOT.sub(lambda slot: self.sentence(rng.choice(self._words[slot[1]]), rng), line)
        return _SPACE.sub(" ", filled).strip()
