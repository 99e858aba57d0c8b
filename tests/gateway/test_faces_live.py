"""The gateway before a real Triton with our real models, on both faces: speech made by Piper, and all the bad input."""

import asyncio
from collections.abc import AsyncIterator, Callable

import jiwer
import numpy as np
import pytest
import soxr

from conch.clients.triton import TritonInference
from conch.contracts.errors import ConchError, DeadlineExceeded, InvalidRequest, NotFound, TooMuch
from conch.stack.serving import Server
from gateway.addresses import Addresses
from tests.gateway.conftest import Face, face_of, quick_settings, running, silence, wav
from tests.gateway.test_faces import REFUSED_AUDIO

MODELS = ("whisper", "vad", "intent", "piper", "embedding", "voice_command")

SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "Please call the maintenance team to line four.",
    "The weather in the mountains changes very quickly.",
)

STORY = (
    "Every morning the baker opens his shop before the sun is up.",
    "He lights the oven, weighs the flour and waits for the first customer.",
    "On the other side of the street a young woman sells newspapers and fresh fruit.",
    "Her brother works in the harbour, where large ships arrive from distant countries.",
    "Some of them carry machines, others bring coffee, tea and paper.",
    "When the wind is strong, nobody is allowed to walk along the wall.",
    "The old lighthouse still stands, although its lamp was switched off years ago.",
    "Children climb its stairs and count the windows on the way.",
    "In winter the whole village meets in the town hall to listen to music.",
    "A teacher plays the piano, two farmers sing, and the doctor beats the drum.",
    "Nobody knows who started this habit, but everybody hopes that it will last.",
    "After the concert there is hot soup, and a long discussion about the price of bread.",
    "The mayor promises a new bridge, as he has done for many years.",
    "Then the lights go out, the doors are locked, and snow begins to fall.",
)

Spoken = Callable[[str], np.ndarray]


@pytest.fixture
async def real(serving: Callable[..., Server]) -> AsyncIterator[Addresses]:
    server = await asyncio.to_thread(serving, *MODELS)
    # Room for all bad calls at once beside the good one: which of them comes first is chance.
    settings = quick_settings(max_transcriptions=2 * len(REFUSED_AUDIO))
    async with TritonInference(server.grpc) as inference, running(settings, inference) as addresses:
        yield addresses


@pytest.fixture(params=["grpc", "http"])
def face(request: pytest.FixtureRequest, real: Addresses) -> Face:
    return face_of(request.param, real)


def words(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalpha() or letter == " ")


def errors_in(heard: str, said: str) -> float:
    return float(jiwer.wer(words(said), words(heard)))


def at(rate: int, pcm: np.ndarray, channels: int = 1) -> np.ndarray:
    samples = soxr.resample(pcm.astype(np.float32) / 32768, 16000, rate)
    return np.stack([samples] * channels, axis=1) if channels > 1 else samples


@pytest.mark.parametrize(
    ("rate", "channels", "options"),
    [
        (16000, 1, {}),
        (8000, 1, {}),
        (44100, 2, {"subtype": "PCM_24"}),
        (22050, 2, {"format": "FLAC"}),
        (32000, 1, {"format": "OGG", "subtype": "VORBIS"}),
        (48000, 2, {"format": "OGG", "subtype": "OPUS"}),
        (44100, 2, {"format": "MP3", "subtype": "MPEG_LAYER_III"}),
    ],
    ids=["wav", "wav 8 kHz", "wav stereo 24 bit", "flac", "vorbis", "opus", "mp3"],
)
async def test_speech_is_heard_in_every_format(
    face: Face, spoken: Spoken, rate: int, channels: int, options: dict[str, str]
) -> None:
    audio = wav(at(rate, spoken(SENTENCES[0]), channels), rate, **options)
    transcript = await face.transcribe(audio)
    assert errors_in(transcript["text"], SENTENCES[0]) <= 0.25
    assert transcript["language"] == "en"


async def test_a_recording_is_cut_at_its_pauses(face: Face, spoken: Spoken) -> None:
    parts: list[np.ndarray] = [silence(2.0)]
    starts = []
    for sentence in SENTENCES:
        starts.append(sum(map(len, parts)) / 16000)
        parts += [at(16000, spoken(sentence)), silence(3.0)]
    transcript = await face.transcribe(wav(np.concatenate(parts)), with_words=True)
    segments = transcript["segments"]
    assert [segment["start_s"] for segment in segments] == [pytest.approx(start, abs=0.6) for start in starts]
    assert errors_in(transcript["text"], " ".join(SENTENCES)) <= 0.25
    times = [start_s for segment in segments for _, start_s in segment["words"]]
    assert times == sorted(times)
    assert all(
        segment["start_s"] - 0.1 <= start <= segment["end_s"] for segment in segments for _, start in segment["words"]
    )


async def test_a_recording_without_pauses_is_cut_all_the_same(real: Addresses, spoken: Spoken) -> None:
    audio = np.concatenate([_hurried(at(16000, spoken(sentence))) for sentence in STORY])
    assert len(audio) > 45 * 16000
    transcript = await face_of("grpc", real).transcribe(wav(audio), language="en")
    assert errors_in(transcript["text"], " ".join(STORY)) <= 0.25
    assert max(segment["end_s"] - segment["start_s"] for segment in transcript["segments"]) <= 28.0


def _hurried(samples: np.ndarray) -> np.ndarray:
    """Without the silence that Piper leaves at both ends."""
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    return samples[loud[0] : loud[-1]]


@pytest.mark.parametrize("seconds", [0.1, 5.0, 70.0])
async def test_silence_is_an_empty_transcript(face: Face, seconds: float) -> None:
    transcript = await face.transcribe(wav(silence(seconds)))
    assert transcript == {"text": "", "language": "", "duration_s": seconds, "segments": []}


async def test_noise_is_an_empty_transcript(face: Face) -> None:
    noise = np.random.default_rng(5).normal(0, 0.02, 8 * 16000)
    assert (await face.transcribe(wav(noise)))["text"] == ""


@pytest.mark.parametrize(
    ("text", "intent"), [("Please summon the maintenance team.", "SUMMON_TEAM"), ("Call John Smith.", "DIAL_PERSON")]
)
async def test_a_command_is_understood_written_and_spoken(face: Face, spoken: Spoken, text: str, intent: str) -> None:
    written = await face.understand(text)
    aloud = await face.understand_audio(wav(spoken(text)))
    assert (written["intent"], aloud["intent"]) == (intent, intent)
    assert aloud["language"] == "en"
    assert aloud["decision"] in ("execute", "confirm", "forward")


async def test_a_silent_command_is_ignored(face: Face) -> None:
    understood = await face.understand_audio(wav(silence(2.0)))
    assert understood == {"text": "", "language": "", "intent": "", "confidence": 0.0, "decision": "ignore"}


async def test_a_text_that_is_spoken_is_heard_again(face: Face) -> None:
    rate, pcm = await face.speak(" ".join(SENTENCES))
    transcript = await face.transcribe(wav(np.frombuffer(pcm, "<i2"), rate))
    assert errors_in(transcript["text"], " ".join(SENTENCES)) <= 0.25


async def test_a_text_longer_than_the_voice_takes_at_once_is_spoken_whole(face: Face) -> None:
    quickly = await face.speak("Yes. No. " * 150, length_scale=0.25)
    once = await face.speak("Yes. No.", length_scale=0.25)
    assert len(quickly[1]) > 100 * len(once[1])


async def test_close_meanings_are_close_vectors(face: Face) -> None:
    dog, puppy, tax = await face.embed(["a dog in the garden", "a puppy outside the house", "the income tax form"])
    assert np.linalg.norm([dog, puppy, tax], axis=1) == pytest.approx([1, 1, 1], abs=1e-3)
    assert dog @ puppy > dog @ tax + 0.2


async def test_as_many_texts_as_are_taken_come_back(face: Face) -> None:
    vectors = await face.embed([f"text number {number}" for number in range(256)])
    assert vectors.shape == (256, 384)


@pytest.mark.parametrize("name", REFUSED_AUDIO)
async def test_bad_audio_is_refused(face: Face, name: str) -> None:
    audio, kind, message = REFUSED_AUDIO[name]
    with pytest.raises(kind, match=message):
        await face.transcribe(audio)


async def test_a_hundred_megabytes_of_noise_are_refused(face: Face) -> None:
    with pytest.raises(InvalidRequest, match="no format"):
        await face.transcribe(np.random.default_rng(8).bytes(100 * 2**20))


@pytest.mark.parametrize(
    ("text", "kind"), [("", InvalidRequest), ("a" * 2**20, TooMuch)], ids=["empty", "one megabyte"]
)
async def test_bad_text_is_refused(face: Face, text: str, kind: type[ConchError]) -> None:
    for call in (face.understand(text), face.speak(text), face.embed([text])):
        with pytest.raises(kind):
            await call


@pytest.mark.parametrize("language", ["xx", "Klingon"])
async def test_an_unknown_language_is_refused(face: Face, spoken: Spoken, language: str) -> None:
    with pytest.raises((NotFound, InvalidRequest), match=language):
        await face.transcribe(wav(spoken(SENTENCES[0])), language=language)
    with pytest.raises((NotFound, InvalidRequest), match=language):
        await face.understand_audio(wav(spoken(SENTENCES[0])), language=language)


async def test_a_call_ends_at_its_deadline_and_the_next_one_is_served(face: Face, spoken: Spoken) -> None:
    long = np.tile(at(16000, spoken(SENTENCES[0])), 20)
    with pytest.raises(DeadlineExceeded):
        await face.transcribe(wav(long), timeout_s=0.5)
    assert (await face.understand("Call John Smith."))["intent"] == "DIAL_PERSON"


async def test_a_neighbour_does_not_suffer_from_a_bad_call(face: Face, spoken: Spoken) -> None:
    good = face.transcribe(wav(spoken(SENTENCES[0])))
    bad = [face.transcribe(audio) for audio, _, _ in REFUSED_AUDIO.values()]
    transcript, *refusals = await asyncio.gather(good, *bad, return_exceptions=True)
    assert isinstance(transcript, dict)
    assert errors_in(transcript["text"], SENTENCES[0]) <= 0.25
    assert all(type(refusal) is kind for refusal, (_, kind, _) in zip(refusals, REFUSED_AUDIO.values(), strict=True))
