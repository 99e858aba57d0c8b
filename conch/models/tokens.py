"""Whisper's tokens: languages, the prompt before a transcript, and text from what was decoded."""

import re
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from conch.contracts.errors import Internal, InvalidRequest, NotFound

MAX_HINT_TOKENS = 200
"""Of the decoder's 448 positions; the rest is for what is said."""

_MAX_HINT_CHARACTERS = 4_000
"""Longer is over 200 tokens in any language, and not worth cutting into tokens to count them."""

_LANGUAGE = re.compile(r"<\|([a-z]{2,3})\|>")


class Tokens:
    def __init__(self, tokenizer: Tokenizer, multilingual: bool) -> None:
        # A hint that spells "<|endoftext|>" is those letters, not the end of the text.
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self._start = self._id("<|startoftranscript|>")
        self._transcribe = self._id("<|transcribe|>")
        self._before = self._id("<|startofprev|>")
        self._untimed = self._id("<|notimestamps|>")
        self._end = self._id("<|endoftext|>")
        self._language_ids = _languages(tokenizer, after=self._start) if multilingual else {}

    @classmethod
    def load(cls, path: Path, multilingual: bool) -> "Tokens":
        return cls(Tokenizer.from_file(str(path)), multilingual)

    @property
    def languages(self) -> list[str]:
        """ISO 639 codes, sorted."""
        return sorted(self._language_ids) or ["en"]

    def language(self, name: str) -> str:
        """The code for "en", "EN" or "en-US"; raises NotFound with the known ones."""
        code = re.split("[-_]", name.strip().lower(), maxsplit=1)[0]
        if code not in self.languages:
            raise NotFound(f"language {_short(name)!r} is not one of {', '.join(self.languages)}")
        return code

    def hints(self, text: str) -> list[int]:
        """Words to expect, as tokens; raises InvalidRequest when there are too many."""
        text = text.strip()
        if not text:
            return []
        if len(text) > _MAX_HINT_CHARACTERS:
            raise InvalidRequest(f"prompt has {len(text)} characters, the model takes {_MAX_HINT_CHARACTERS}")
        ids: list[int] = self._tokenizer.encode(" " + text, add_special_tokens=False).ids
        if len(ids) > MAX_HINT_TOKENS:
            raise InvalidRequest(f"prompt has {len(ids)} tokens, the model takes {MAX_HINT_TOKENS}")
        return ids

    def start(self, language: str) -> list[int]:
        """What a transcript starts with; a model of one language is told no language."""
        if not self._language_ids:
            return [self._start]
        return [self._start, self._language_ids[language], self._transcribe]

    def prompt(self, language: str, hints: Sequence[int]) -> list[int]:
        """All that stands before the first word. Its length does not depend on the language."""
        return [*self.timed_prompt(language, hints), self._untimed]

    def timed_prompt(self, language: str, hints: Sequence[int]) -> list[int]:
        """For a transcript with times between its sentences, which cost a fifth more tokens."""
        before = [self._before, *hints] if hints else []
        return [*before, *self.start(language)]

    def text(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(self.spoken(ids), skip_special_tokens=False))

    def spoken(self, ids: Sequence[int]) -> list[int]:
        """Without the tokens that stand for no text."""
        return [token for token in ids if token < self._end]

    def code(self, token: str) -> str:
        """ "en" for "<|en|>"."""
        return token.removeprefix("<|").removesuffix("|>")

    def _id(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise Internal(f"tokenizer.json has no token {token}: it is not Whisper's")
        return int(found)


def _languages(tokenizer: Tokenizer, after: int) -> dict[str, int]:
    """By code: the tokens that follow <|startoftranscript|>."""
    found: dict[str, int] = {}
    token_id = after + 1
    while (match := _LANGUAGE.fullmatch(tokenizer.id_to_token(token_id) or "")) is not None:
        found[match[1]] = token_id
        token_id += 1
    return found


def _short(name: str) -> str:
    return name if len(name) <= 20 else name[:20] + "…"
