"""What a form asks of a transcription."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from conch.contracts.errors import InvalidRequest
from gateway.http.bodies import Upload
from gateway.http.openai.names import SHOWN, check_model
from gateway.recognition import Expectation

FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
STREAMED = ("json", "text")
GRANULARITIES = ("word", "segment")


@dataclass(frozen=True, slots=True)
class Wishes:
    expectation: Expectation
    response_format: str = "json"
    stream: bool = False
    segments: bool = True
    """In a verbose answer; its words are the expectation's."""

    @classmethod
    def of(cls, form: Upload) -> Self:
        model = form.fields.get("model", "")
        if not model:
            raise InvalidRequest("model is missing").about("model")
        check_model(model, "whisper", "transcribes")
        _check_temperature(form.fields.get("temperature", ""))
        if _listed(form, "include"):
            raise InvalidRequest("include is not empty, and log probabilities of tokens are not told").about("include")
        response_format = _one_of(FORMATS, form.fields.get("response_format") or "json", "response_format")
        stream = _flag(form.fields.get("stream", ""), "stream")
        if stream:
            _one_of(STREAMED, response_format, "response_format", " of a stream")
        asked = _granularities(form, response_format)
        language, prompt = form.fields.get("language", ""), form.fields.get("prompt", "")
        expectation = Expectation(language, prompt, with_words="word" in asked)
        return cls(expectation, response_format, stream, "segment" in asked)


def _granularities(form: Upload, response_format: str) -> Sequence[str]:
    name = "timestamp_granularities"
    asked = _listed(form, name)
    for one in asked:
        _one_of(GRANULARITIES, one, name)
    if asked and response_format != "verbose_json":
        raise InvalidRequest(f"{name} are for response_format verbose_json, and it is {response_format}").about(name)
    return asked or ("segment",)


def _listed(form: Upload, name: str) -> list[str]:
    """A list comes as fields that end in brackets, or, from simple clients, as ones that do not."""
    return [value for key in (f"{name}[]", name) for value in form.lists.get(key, ()) if value]


def _check_temperature(given: str) -> None:
    """Decoding is greedy, as it is at 0; more is not refused, for it asks for nothing that must be so."""
    try:
        fits = 0 <= float(given or 0) <= 1
    except ValueError:
        fits = False
    if not fits:
        raise InvalidRequest(f"temperature is {given[:SHOWN]!r}, 0 to 1 are taken").about("temperature")


def _one_of(known: Sequence[str], given: str, name: str, whose: str = "") -> str:
    if given not in known:
        raise InvalidRequest(f"{name}{whose} is {given[:SHOWN]!r}, {', '.join(known)} are taken").about(name)
    return given


def _flag(given: str, name: str) -> bool:
    if given.lower() not in ("", "true", "false", "1", "0"):
        raise InvalidRequest(f"{name} is {given[:SHOWN]!r}, true or false is needed").about(name)
    return given.lower() in ("true", "1")
