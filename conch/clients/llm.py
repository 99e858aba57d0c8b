"""Whoever answers what was said and is no command: an LLM by OpenAI's chat call, and its twin for tests.

What it answers is text to be spoken, and nothing else: nobody reads a command out of it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from conch.clients.outbound import Call, Outbound
from conch.clients.speakable import speakable
from conch.contracts.errors import Unavailable
from conch.contracts.identity import REQUEST_ID_HEADER, TENANT_HEADER

PROMPT = (
    "You are a helpful voice assistant that only answers questions and cannot act. Use plain spoken words without"
    " lists. If you do not know, say so. Answer in {language}, in one or two short sentences."
)
"""What a small model still follows: the more it is told, the less it answers."""

_LANGUAGES = {
    "cs": "Czech", "de": "German", "en": "English", "es": "Spanish", "fr": "French", "it": "Italian", "ja": "Japanese",
    "ko": "Korean", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "ru": "Russian", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""Small models know a language by its English name alone."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What was asked before, and what was answered."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    tenant: str
    request_id: str = ""
    """The same in the assistant's log as in ours."""
    language: str = ""
    """ISO 639-1, of the wearer; empty: that of the question."""
    turns: tuple[Turn, ...] = ()
    """Of the same session, the oldest first."""


class Assistant(Protocol):
    async def answer(self, question: Question, deadline_s: float) -> str:
        """Words to be spoken, never none. Raises ConchError: Unavailable too where it says nothing."""
        ...


@dataclass(frozen=True, slots=True)
class ChatModel:
    url: str
    """Of the API: what comes before /chat/completions."""
    model: str = "default"
    key: str = ""
    """Sent as a bearer token; empty: none is."""
    max_tokens: int = 120
    temperature: float = 0.2
    prompt: str = PROMPT
    """`{language}` becomes the wearer's."""
    max_characters: int = 400
    """Of an answer: some 25 seconds of speech."""


class ChatAssistant:
    """Any server that answers OpenAI's chat calls."""

    def __init__(self, chat: ChatModel, outbound: Outbound) -> None:
        self._chat = chat
        self._outbound = outbound

    async def answer(self, question: Question, deadline_s: float) -> str:
        url = f"{self._chat.url.rstrip('/')}/chat/completions"
        content = json.dumps(self._request(question), ensure_ascii=False).encode()
        answer = await self._outbound.send(Call("POST", url, deadline_s, content, self._headers(question)))
        return _spoken(_said(answer.content), self._chat.max_characters)

    def _headers(self, question: Question) -> dict[str, str]:
        headers = {"Content-Type": "application/json", TENANT_HEADER: question.tenant}
        if question.request_id:
            headers[REQUEST_ID_HEADER] = question.request_id
        if self._chat.key:
            headers["Authorization"] = f"Bearer {self._chat.key}"
        return headers

    def _request(self, question: Question) -> dict[str, Any]:
        turns = [
            {"role": role, "content": text}
            for turn in question.turns
            for role, text in (("user", turn.question), ("assistant", turn.answer))
        ]
        language = _LANGUAGES.get(question.language, "the language of the question")
        return {
            "model": self._chat.model,
            "messages": [
                {"role": "system", "content": self._chat.prompt.replace("{language}", language)},
                *turns,
                {"role": "user", "content": question.text},
            ],
            "max_tokens": self._chat.max_tokens,
            "temperature": self._chat.temperature,
            "stream": False,
        }


class InProcessAssistant:
    """The twin: a function of this process writes the text, or raises; the rest is as with any other."""

    def __init__(self, write: Callable[[Question], str], max_characters: int = 400) -> None:
        self._write = write
        self._max_characters = max_characters
        self.asked: list[Question] = []

    async def answer(self, question: Question, deadline_s: float) -> str:
        self.asked.append(question)
        return _spoken(self._write(question), self._max_characters)


def _said(content: bytes) -> str:
    """Raises Unavailable for what is no answer to a chat call."""
    try:
        text = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise Unavailable(f"the assistant answers what is no chat completion: {len(content)} bytes") from error
    if text is None:
        return ""
    if not isinstance(text, str):
        raise Unavailable(f"the assistant answers {type(text).__name__} where text was due")
    return text


def _spoken(text: str, max_characters: int) -> str:
    words = speakable(text, max_characters)
    if not any(letter.isalnum() for letter in words):
        raise Unavailable("the assistant says nothing that can be spoken")
    return words
