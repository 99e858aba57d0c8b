"""What a call may bring: each limit refuses with both numbers, the one that came and the one that is allowed."""

from collections.abc import Sequence
from dataclasses import dataclass

from conch.commands.contacts import Contact
from conch.contracts.errors import InvalidRequest, TooMuch
from conch.contracts.specs import SPEECH_RATE


@dataclass(frozen=True, slots=True)
class Limits:
    audio_bytes: int = 128 * 2**20
    """Of a file as it is sent."""
    audio_s: float = 3600.0
    """Of a file as it is decoded, for Transcribe."""
    command_s: float = 30.0
    """Of a file as it is decoded, for Understand."""
    command_bytes: int = 4 * 2**10
    """UTF-8 bytes of a written command."""
    speak_bytes: int = 64 * 2**10
    """UTF-8 bytes of a text to speak."""
    embed_bytes: int = 8 * 2**10
    """UTF-8 bytes of each text to embed."""
    embed_texts: int = 256
    """Texts of one call."""
    prompt_bytes: int = 1024
    """UTF-8 bytes of the words to expect."""
    contacts: int = 500
    """Of one call."""
    contact_bytes: int = 256
    """UTF-8 bytes of a contact's name, and of each other spelling."""
    contact_spellings: int = 8
    """Of one contact."""
    infer_bytes: int = 4 * 2**20
    """Of the JSON that asks any model."""
    infer_rows: int = 256
    """Of one such call."""

    @property
    def command_samples(self) -> int:
        return int(self.command_s * SPEECH_RATE)

    @property
    def understand_bytes(self) -> int:
        """Of a written command and its contacts."""
        return self.command_bytes + self.contacts * self.contact_bytes

    def check_audio_bytes(self, size: int) -> None:
        if size > self.audio_bytes:
            raise TooMuch(f"the audio has {size} bytes, at most {self.audio_bytes} are taken")

    def check_command(self, text: str) -> None:
        _check_text("the text", text, self.command_bytes)

    def check_speech(self, text: str) -> None:
        _check_text("the text", text, self.speak_bytes)

    def check_prompt(self, prompt: str) -> None:
        if (size := _size("the prompt", prompt)) > self.prompt_bytes:
            raise TooMuch(f"the prompt has {size} bytes, at most {self.prompt_bytes} are taken").about("prompt")

    def check_contacts(self, contacts: Sequence[Contact]) -> None:
        if len(contacts) > self.contacts:
            raise TooMuch(f"there are {len(contacts)} contacts, at most {self.contacts} are taken in one call")
        for index, contact in enumerate(contacts):
            if len(contact.sounds_like) > self.contact_spellings:
                raise TooMuch(
                    f"contacts[{index}] has {len(contact.sounds_like)} other spellings, "
                    f"at most {self.contact_spellings} are taken"
                )
            for name in (contact.name, *contact.sounds_like):
                _check_text(f"contacts[{index}]", name, self.contact_bytes)

    def check_texts(self, texts: Sequence[str]) -> None:
        if not texts:
            raise InvalidRequest("texts is empty, at least 1 text is needed")
        if len(texts) > self.embed_texts:
            raise TooMuch(f"there are {len(texts)} texts, at most {self.embed_texts} are taken in one call")
        for index, text in enumerate(texts):
            _check_text(f"texts[{index}]", text, self.embed_bytes)


def _check_text(name: str, text: str, most: int) -> None:
    size = _size(name, text)
    if size > most:
        raise TooMuch(f"{name} has {size} bytes, at most {most} are taken")
    if not text.strip():
        raise InvalidRequest(f"{name} is empty")


def _size(name: str, text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{name} is not UTF-8: {error.reason} at character {error.start}") from None
