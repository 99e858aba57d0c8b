"""`conch speak TEXT -o FILE.wav`: a text as speech."""

import wave
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from conch.cli.connection import Key, State, connected
from conch.cli.console import err, print_json
from conch.contracts.errors import Internal, InvalidRequest
from conch.contracts.voice import SpokenSentence


def speak(
    text: Annotated[str, typer.Argument(help="What to say.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.wav", help="Where to save the speech.")],
    state: State = None,
    key: Key = "",
    length_scale: Annotated[float, typer.Option(help="2.0 is half as fast as the voice's own pace.")] = 1.0,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Save a text as speech: 16-bit mono WAV."""
    with connected(state, key) as gateway, err.status("speaking"):
        sentences = list(gateway.speak_stream(text, length_scale=length_scale))
        seconds = save_wav(output, sentences)
    if json:
        print_json({"file": str(output), "duration_s": round(seconds, 3), "sample_rate": sentences[0].sample_rate})
    else:
        typer.echo(f"{output}: {seconds:.1f} s of speech")


def save_wav(path: Path, sentences: Iterable[SpokenSentence]) -> float:
    """Write the file whole or not at all; tells its seconds."""
    spoken = list(sentences)
    if not spoken:
        raise Internal("the voice said nothing")
    scratch = path.with_name(path.name + ".part")
    try:
        with scratch.open("wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(spoken[0].sample_rate)
            for sentence in spoken:
                file.writeframes(sentence.pcm16)
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise InvalidRequest(f"{path} cannot be written: {error.strerror}") from None
    return sum(len(sentence.pcm16) for sentence in spoken) / 2 / spoken[0].sample_rate
