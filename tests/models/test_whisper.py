"""Whisper on speech that Piper made, and on what is none."""

import re
import shutil
from pathlib import Path

import jiwer
import numpy as np
import pytest

from conch.contracts.errors import Internal, InvalidRequest, NotFound
from conch.models.base import ModelContext, Row, scalar, strings
from conch.models.decoder import Decoded
from conch.models.silero import Silero
from conch.models.tokens import Tokens
from conch.models.vad import Vad
from conch.models.whisper import Whisper

COMMAND = "Summon the maintenance team to the loading dock."
SENTENCES = (
    "Turn on the living room light.",
    COMMAND,
    "The forklift by the north gate needs a new battery, and somebody should bring the spare one before noon.",
    "What is the weather like tomorrow?",
    "Please call the warehouse and ask them how many boxes arrived this morning.",
)
MORE_SENTENCES = (
    "Yesterday a truck from the coast was late because of snow in the mountains.",
    "We moved the drills behind the ladders.",
    "My colleague found a crack in the second pump, so we closed the valve.",
    "If the alarm rings, leave by the back door.",
)
HINTS = "Kowalski, Nguyen, Priya"


@pytest.fixture(scope="module")
def whisper(weights):
    model = Whisper.load(ModelContext(weights("whisper"), {"inter_op_threads": "2"}))
    yield model
    model.close()


def row(pcm, rate=16_000, **tensors):
    name = "pcm16" if pcm.dtype == np.int16 else "pcm"
    return Row({name: pcm, "sample_rate": scalar(rate, np.int32), **tensors})


def asking(**texts):
    return {name: strings([text]) for name, text in texts.items()}


def silence(seconds):
    return np.zeros(round(16_000 * seconds), np.int16)


def noise(colour, seconds=4.0, loudness=0.1):
    generator = np.random.default_rng(7)
    spectrum = np.fft.rfft(generator.standard_normal(round(16_000 * seconds)))
    if colour == "pink":
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    wave = np.fft.irfft(spectrum)
    return (loudness * wave / wave.std()).clip(-1, 1).astype(np.float32)


def answer(whisper, *rows):
    answers = whisper.predict(rows)
    return answers[0] if len(rows) == 1 else answers


def text(answer):
    return answer["text"].item()


def plain(said):
    return re.sub(r"[^\w ]", "", said.lower())


def error_rate(said, heard):
    return jiwer.wer([plain(one) for one in said], [plain(one) for one in heard])


def test_what_was_said_is_written_down(whisper, spoken):
    answers = whisper.predict([row(spoken(sentence)) for sentence in SENTENCES])
    assert error_rate(SENTENCES, [text(one) for one in answers]) <= 0.1
    for one in answers:
        assert one["language"].item() == "en"
        assert one["rejected"].item() == ""
        assert 0.5 < one["language_probability"].item() <= 1
        assert -1 <= one["avg_logprob"].item() < 0
        assert 0 <= one["no_speech_prob"].item() < 0.6
        assert 0 < one["compression_ratio"].item() < 2.4
        assert len(one["words"]) == 0


def test_every_output_of_the_spec_is_answered_in_its_type(whisper, spoken):
    for one in whisper.predict([row(spoken(COMMAND), with_words=np.array([True])), row(silence(1))]):
        assert set(one) == {tensor.name for tensor in Whisper.spec.outputs}
        for tensor in Whisper.spec.outputs:
            assert len(one[tensor.name].shape) == len(tensor.dims), tensor.name
            assert all(want in (-1, got) for want, got in zip(tensor.dims, one[tensor.name].shape, strict=True))


def test_a_batch_hears_what_each_row_alone_is_heard_as(whisper, spoken):
    rows = [row(spoken(sentence)) for sentence in SENTENCES]
    together = [text(one) for one in whisper.predict(rows)]
    alone = [text(answer(whisper, one)) for one in rows]
    assert error_rate(alone, together) <= 0.05


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
def test_speech_is_heard_at_the_rate_it_was_recorded_with(whisper, spoken, rate):
    import soxr

    pcm = soxr.resample(spoken(COMMAND), 16_000, rate)
    assert error_rate([COMMAND], [text(answer(whisper, row(pcm, rate)))]) <= 0.25


def test_floats_are_heard_like_integers(whisper, spoken):
    pcm = spoken(COMMAND)
    whole, real = answer(whisper, row(pcm), row(pcm.astype(np.float32) / 32_768))
    assert text(whole) == text(real)


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.5, 29.9])
def test_silence_is_no_text(whisper, seconds):
    assert_nothing_was_said(answer(whisper, row(silence(seconds))), ["silence"])


@pytest.mark.parametrize("hints", ["", HINTS])
@pytest.mark.parametrize("loudness", [0.003, 0.1, 0.5])
@pytest.mark.parametrize("colour", ["white", "pink"])
def test_noise_is_no_text_and_no_echo_of_the_hints(whisper, colour, loudness, hints):
    given = row(noise(colour, loudness=loudness), **asking(prompt=hints))
    assert_nothing_was_said(answer(whisper, given), ["silence", "no_speech", "low_confidence", "loop"])


def test_speech_turned_round_is_no_text(whisper, spoken):
    # The VAD takes it for speech, so that Whisper's own scores must tell.
    backwards = answer(whisper, *(row(spoken(sentence)[::-1].copy()) for sentence in SENTENCES))
    assert all(one["speech_s"].item() > 0.5 for one in backwards)
    rejected = [one for one in backwards if one["rejected"].item()]
    for one in rejected:
        assert_nothing_was_said(one, ["no_speech", "low_confidence", "loop"])
    assert rejected


def assert_nothing_was_said(one, reasons):
    assert (text(one), one["language"].item(), one["words"].tolist()) == ("", "", [])
    assert one["rejected"].item() in reasons


def test_the_seconds_of_speech_leave_silence_out(whisper, spoken):
    pcm = spoken(COMMAND)
    padded = np.concatenate([silence(4), pcm, silence(6)])
    one = answer(whisper, row(padded))
    assert 0.6 * len(pcm) / 16_000 < one["speech_s"].item() <= len(pcm) / 16_000 + 0.1
    assert error_rate([COMMAND], [text(one)]) <= 0.25


def test_words_are_timed_from_the_first_sample_of_the_call(whisper, spoken):
    # Two sentences with known silence around them: 3 s, speech, 2 s, speech, 1 s.
    first, second = spoken("Stop the conveyor belt."), spoken("Call the fire brigade.")
    pcm = np.concatenate([silence(3), first, silence(2), second, silence(1)])
    one = answer(whisper, row(pcm, with_words=np.array([True])))
    words, times = one["words"].tolist(), one["word_times"]
    assert " ".join(words) == text(one)
    assert times.shape == (len(words), 2)
    assert (np.diff(times.reshape(-1)) >= 0).all()
    assert ((one["word_probabilities"] > 0) & (one["word_probabilities"] <= 1)).all()
    start, pause = 3.0, 3.0 + len(first) / 16_000
    resume, end = pause + 2.0, pause + 2.0 + len(second) / 16_000
    call = next(index for index, word in enumerate(words) if plain(word) == "call")
    assert start - 0.2 <= times[0, 0] < start + 0.5
    assert times[call - 1, 1] <= pause + 0.3
    assert resume - 0.3 <= times[call, 0] < resume + 0.5
    assert times[-1, 1] <= end + 0.2


def test_words_come_only_to_the_rows_that_ask(whisper, spoken):
    pcm = spoken(COMMAND)
    without, with_words = answer(whisper, row(pcm, with_words=np.array([False])), row(pcm, with_words=np.array([True])))
    assert without["words"].tolist() == []
    assert len(with_words["words"]) == len(text(with_words).split())


def test_words_of_two_languages_in_one_batch_are_timed_apart(whisper, spoken):
    pcm = spoken(COMMAND)
    asked = {"with_words": np.array([True])}
    english, german = answer(
        whisper, row(pcm, **asked, **asking(language="en")), row(pcm, **asked, **asking(language="de"))
    )
    assert english["words"].tolist() == text(english).split()
    assert german["words"].tolist() == text(german).split()


def test_hints_help_with_names(whisper, spoken):
    names = HINTS.split(", ")

    def heard(**inputs):
        answers = whisper.predict([row(spoken(f"Dial {name}."), **inputs) for name in names])
        return sum(name.lower() in plain(text(one)) for name, one in zip(names, answers, strict=True))

    assert heard(**asking(prompt=HINTS)) > heard()


def test_a_named_language_is_taken_at_its_word(whisper, spoken):
    one = answer(whisper, row(spoken(COMMAND), **asking(language="en-GB")))
    assert (one["language"].item(), one["language_probability"].item()) == ("en", 1.0)


def test_rows_that_name_their_language_share_a_batch_with_rows_that_do_not(whisper, spoken):
    pcm = spoken(COMMAND)
    named, unnamed = answer(whisper, row(pcm, **asking(language="en")), row(pcm))
    assert [named["language_probability"].item(), named["language"].item()] == [1.0, "en"]
    assert 0.5 < unnamed["language_probability"].item() < 1


def test_each_row_s_mistake_is_its_own(whisper, spoken):
    pcm = spoken(COMMAND)
    rows = [
        row(pcm),
        row(silence(31)),
        row(pcm, rate=4_000),
        row(pcm, **asking(language="xx")),
        row(pcm, **asking(prompt="call " * 300)),
        Row({"sample_rate": scalar(16_000, np.int32)}),
        Row({"pcm16": pcm, "pcm": pcm.astype(np.float32), "sample_rate": scalar(16_000, np.int32)}),
        row(silence(1)),
        row(pcm),
    ]
    answers = whisper.predict(rows)
    assert [(type(one), one.message) for one in answers if isinstance(one, Exception)] == [
        (InvalidRequest, "the audio is 31.00 s, one call takes 30.00 s"),
        (InvalidRequest, "sample_rate is 4000, the model takes 8000 to 48000"),
        (NotFound, answers[3].message),
        (InvalidRequest, "prompt has 300 tokens, the model takes 200"),
        (InvalidRequest, "0 of the inputs pcm16 and pcm are given, exactly 1 is needed"),
        (InvalidRequest, "2 of the inputs pcm16 and pcm are given, exactly 1 is needed"),
    ]
    assert answers[3].message.startswith("language 'xx' is not one of af, am, ")
    assert text(answers[0]) == text(answers[8]) != ""
    assert text(answers[7]) == ""


def test_nearly_thirty_seconds_of_speech_are_heard_to_the_end(whisper, spoken):
    sentences = [*SENTENCES, *MORE_SENTENCES]
    pcm = np.concatenate([spoken(sentence) for sentence in sentences])
    assert 25 < len(pcm) / 16_000 < 30
    one = answer(whisper, row(pcm, with_words=np.array([True])))
    assert error_rate([" ".join(sentences)], [text(one)]) <= 0.15
    assert one["word_times"][-1, 1] > len(pcm) / 16_000 - 1


class StopsEarly:
    """A decoder that writes one sentence, unless it is asked for times."""

    multilingual = True
    bands = 80

    def __init__(self, tokens):
        self._tokens = tokens
        self.prompts = []

    def encode(self, windows):
        return self

    def rows(self, indices):
        return self

    def decode(self, encoded, prompts, max_tokens):
        self.prompts.append(prompts)
        timed = prompts[0] == self._tokens.timed_prompt("en", [])
        said = SENTENCES if timed else SENTENCES[:1]
        return [Decoded(self._tokens.hints(" ".join(said)), -0.1, 0.0)] * len(prompts)


@pytest.mark.parametrize(("long", "heard"), [(True, SENTENCES), (False, SENTENCES[:1])], ids=["long", "short"])
def test_long_speech_that_became_one_sentence_is_decoded_again_with_times(weights, spoken, long, heard):
    tokens = Tokens.load(weights("whisper") / "tokenizer.json", multilingual=True)
    decoder = StopsEarly(tokens)
    model = Whisper(decoder, Silero.load(ModelContext(weights("whisper"))), tokens)
    pcm = np.concatenate([spoken(sentence) for sentence in (SENTENCES if long else SENTENCES[:1])])
    assert text(answer(model, row(pcm, **asking(language="en")))) == " ".join(heard)
    assert len(decoder.prompts) == (2 if long else 1)


@pytest.mark.parametrize("missing", ["model.bin", "tokenizer.json", "silero_vad.onnx"])
def test_missing_weights_are_named(weights, tmp_path, missing):
    folder = copy_without(weights("whisper"), tmp_path, missing)
    with pytest.raises(Internal, match=f"weights are incomplete: {re.escape(missing)} is not in"):
        Whisper.load(ModelContext(folder))


def test_damaged_weights_are_named(weights, tmp_path):
    folder = copy_without(weights("whisper"), tmp_path, "model.bin")
    (folder / "model.bin").write_bytes(b"not a model")
    with pytest.raises(Internal, match=r"model\.bin cannot be opened by CTranslate2"):
        Whisper.load(ModelContext(folder))


def copy_without(source: Path, folder: Path, missing: str) -> Path:
    for path in source.iterdir():
        if path.name not in (missing, "model.bin"):
            shutil.copyfile(path, folder / path.name)
        elif path.name != missing:
            (folder / path.name).symlink_to(path.resolve())
    return folder


def test_whisper_counts_the_audio_it_is_handed_and_the_vad_none():
    second = {"sample_rate": np.array([[16_000]], np.int32)}
    assert Whisper.audio_ms({"pcm16": np.zeros((1, 24_000), np.int16), **second}) == 1500
    assert Whisper.audio_ms({"pcm": np.zeros((1, 24_000), np.float32), **second}) == 1500
    assert Whisper.audio_ms(second) == 0
    assert Vad.audio_ms({"pcm": np.zeros((1, 512), np.float32)}) == 0
