"""The names that code written for OpenAI uses, and which of ours each stands for."""

from collections.abc import Mapping

from conch.clients.inference import ModelNotFound
from conch.contracts.errors import InvalidRequest, NotFound

ALIASES: Mapping[str, str] = {
    "whisper-1": "whisper",
    "gpt-4o-transcribe": "whisper",
    "gpt-4o-mini-transcribe": "whisper",
    "tts-1": "piper",
    "tts-1-hd": "piper",
    "gpt-4o-mini-tts": "piper",
    "text-embedding-3-small": "embedding",
}

VOICE = "joe"
"""Of the one voice that `piper` has."""

OPENAI_VOICES = (
    "alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage", "shimmer", "verse",
)  # fmt: skip
"""All of them stand for ours, or code that names one would have to change."""

SHOWN = 64
"""Characters of a name that are said back."""


class NoSuchVoice(NotFound):
    code = "voice_not_found"


def check_model(given: str, ours: str, does: str) -> None:
    """`given` must be our model or one of its aliases; `does` is what the call asks of it, as "transcribes"."""
    if ALIASES.get(given, given) == ours:
        return
    names = ", ".join(names_of(ours))
    if given in {*ALIASES, *ALIASES.values()}:
        raise InvalidRequest(f"model {given} is not one that {does}: {names}").about("model")
    raise ModelNotFound(f"model {given[:SHOWN]!r} is not one that {does} here: {names}").about("model")


def check_voice(given: str) -> None:
    if given != VOICE and given not in OPENAI_VOICES:
        others = ", ".join(OPENAI_VOICES)
        raise NoSuchVoice(f"voice {given[:SHOWN]!r} is not here: {VOICE}, for which {others} stand too").about("voice")


def names_of(ours: str) -> list[str]:
    """The model's own name, and its aliases."""
    return [ours, *(alias for alias, model in ALIASES.items() if model == ours)]
