"""What a model wrote for the eye, as words for the ear."""

import re

_THOUGHT = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL | re.IGNORECASE)
_CODE = re.compile(r"```.*?(```|\Z)", re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_LINE_MARK = re.compile(r"^\s*(?:#{1,6}|>|[-*+•]|\d{1,3}[.)])\s+", re.MULTILINE)
_MARKS = re.compile(r"[*_`~|#]+")
_UNSPOKEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\ufeff]|[\u2600-\u27bf\ufe0f\U0001f000-\U0001faff]|https?://\S+"
)
_SENTENCE_END = re.compile(r"[.!?…](?=\s)|[。！？]")  # noqa: RUF001 - ends of sentences in other scripts


def speakable(text: str, most: int) -> str:
    """Without markup, thoughts, code and addresses; whole sentences of at most `most` characters together.

    A first sentence that is longer ends at white space. Empty where nothing is left to say.
    """
    for unwanted, kept in ((_THOUGHT, " "), (_CODE, " "), (_LINK, r"\1"), (_UNSPOKEN, " ")):
        text = unwanted.sub(kept, text)
    text = _MARKS.sub("", _LINE_MARK.sub("", text))
    return _cut(" ".join(text.split()), most)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    ends = [match.end() for match in _SENTENCE_END.finditer(text, 0, most + 1) if match.end() <= most]
    if ends:
        return text[: ends[-1]]
    at = text.rfind(" ", 1, most)
    return f"{text[: at if at > 0 else most - 1].rstrip()}…"
