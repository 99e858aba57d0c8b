"""Speech to text: PCM in; text, language, scores and word times out.

Silence never reaches Whisper, which would invent words for it: the VAD finds the speech, and only that is decoded, in
the shortest window that is as accurate as the full one. Rows whose window and prompt are equally long run together.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from conch.contracts.errors import ConchError, InvalidRequest
from conch.contracts.specs import VAD_WINDOW, WHISPER, WHISPER_MAX_S
from conch.models.base import Arrays, ModelContext, RaggedModel, Row
from conch.models.decoder import Decoded, Decoder, Encoded
from conch.models.mel import HOP, LogMel
from conch.models.pcm import milliseconds, speech_pcm
from conch.models.rejection import Rejected, compression_ratio, judge
from conch.models.silero import Silero
from conch.models.speech import find_speech
from conch.models.tokens import Tokens
from conch.models.transcript import SILENCE, Transcript, Utterance
from conch.models.windows import WINDOWS
from conch.models.words import Word, words_of


@dataclass(frozen=True, slots=True)
class _Language:
    code: str
    probability: float


class Whisper(RaggedModel):
    spec = WHISPER
    counts_audio = True

    def __init__(self, decoder: Decoder, silero: Silero, tokens: Tokens) -> None:
        self._decoder = decoder
        self._silero = silero
        self._tokens = tokens
        self._log_mel = LogMel(decoder.bands)

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        tokenizer = context.file("tokenizer.json")
        # An LSTM of 128 cells goes window by window: a GPU has nothing to do in parallel there.
        silero = Silero.load(replace(context, device="cpu"))
        decoder = Decoder.load(context)
        model = cls(decoder, silero, Tokens.load(tokenizer, decoder.multilingual))
        model._warm_up()
        return model

    @classmethod
    def audio_ms(cls, inputs: Arrays) -> int:
        return sum(milliseconds(inputs[name], inputs["sample_rate"]) for name in ("pcm16", "pcm") if name in inputs)

    def close(self) -> None:
        self._decoder.close()

    def predict(self, rows: Sequence[Row]) -> Sequence[Arrays | ConchError]:
        answers: dict[int, Arrays | ConchError] = {}
        batches: dict[tuple[int, int, bool], list[Utterance]] = defaultdict(list)
        for index, row in enumerate(rows):
            try:
                utterance = self._hear(index, row)
            except ConchError as error:
                answers[index] = error
                continue
            if utterance is None:
                answers[index] = SILENCE.tensors()
            else:
                batches[utterance.window, len(utterance.hints), utterance.with_words].append(utterance)
        for (window, _, with_words), batch in batches.items():
            transcripts = self._transcribe(batch, window, with_words)
            answers |= {one.row: transcript.tensors() for one, transcript in zip(batch, transcripts, strict=True)}
        return [answers[index] for index in range(len(rows))]

    def _hear(self, index: int, row: Row) -> Utterance | None:
        """None for silence. Raises what is wrong with the row's audio, language or prompt."""
        given = [name for name in ("pcm16", "pcm") if name in row]
        if len(given) != 1:
            raise InvalidRequest(f"{len(given)} of the inputs pcm16 and pcm are given, exactly 1 is needed")
        audio = speech_pcm(row[given[0]], int(row["sample_rate"].item()), WHISPER_MAX_S)
        language = row.text("language").strip()
        code = self._tokens.language(language) if language else ""
        prompt = row.text("prompt")
        hints = self._tokens.hints(prompt)
        speech = find_speech(self._silero, audio)
        if speech is None:
            return None
        return Utterance(
            row=index,
            audio=audio[speech.start : speech.end],
            speech=speech,
            language=code,
            prompt=prompt,
            hints=hints,
            with_words="with_words" in row and bool(row["with_words"].item()),
        )

    def _transcribe(self, batch: Sequence[Utterance], window: int, with_words: bool) -> list[Transcript]:
        encoded = self._decoder.encode([self._log_mel(one.audio, window) for one in batch])
        languages = self._languages(batch, encoded)
        decoded = self._decode(batch, encoded, languages)
        transcripts = [self._judge(*row) for row in zip(batch, languages, decoded, strict=True)]
        if not with_words:
            return transcripts
        words = self._words(batch, encoded, decoded, transcripts)
        return [replace(one, words=words.get(index, ())) for index, one in enumerate(transcripts)]

    def _languages(self, batch: Sequence[Utterance], encoded: Encoded) -> list[_Language]:
        """As named by the callers, or as heard."""
        languages = [_Language(one.language, 1.0) for one in batch]
        unnamed = [index for index, one in enumerate(batch) if not one.language]
        if not self._decoder.multilingual:
            return [_Language(self._tokens.languages[0], 1.0)] * len(batch)
        if unnamed:
            for index, found in zip(unnamed, self._decoder.detect(encoded.rows(unnamed)), strict=True):
                languages[index] = _Language(self._tokens.code(found.token), found.probability)
        return languages

    def _decode(self, batch: Sequence[Utterance], encoded: Encoded, languages: Sequence[_Language]) -> list[Decoded]:
        """Of long speech Whisper may write one sentence and stop; asked for their times, it writes them all."""
        hinted = list(zip((language.code for language in languages), (one.hints for one in batch), strict=True))
        tokens = max(one.max_tokens for one in batch)
        decoded = self._decoder.decode(encoded, [self._tokens.prompt(*one) for one in hinted], tokens)
        short = [index for index, one in enumerate(batch) if one.left_out(len(decoded[index].ids))]
        if short:
            prompts = [self._tokens.timed_prompt(*hinted[index]) for index in short]
            for index, again in zip(short, self._decoder.decode(encoded.rows(short), prompts, tokens), strict=True):
                decoded[index] = max(decoded[index], again, key=lambda one: len(one.ids))
        return decoded

    def _judge(self, utterance: Utterance, language: _Language, decoded: Decoded) -> Transcript:
        text = self._tokens.text(decoded.ids).strip()
        rejected = judge(text, utterance.prompt, decoded.no_speech_prob, decoded.avg_logprob)
        if rejected is Rejected.NOT and len(decoded.ids) >= utterance.max_tokens:
            rejected = Rejected.LOOP
        accepted = rejected is Rejected.NOT
        return Transcript(
            rejected=rejected,
            text=text if accepted else "",
            language=language.code if accepted else "",
            language_probability=language.probability if accepted else 0.0,
            avg_logprob=decoded.avg_logprob,
            no_speech_prob=decoded.no_speech_prob,
            compression_ratio=compression_ratio(text),
            speech_s=utterance.speech.speech_s,
        )

    def _words(
        self,
        batch: Sequence[Utterance],
        encoded: Encoded,
        decoded: Sequence[Decoded],
        transcripts: Sequence[Transcript],
    ) -> dict[int, tuple[Word, ...]]:
        """By index in the batch; of the accepted rows alone, a language at a time, as the aligner wants it."""
        by_language: dict[str, list[int]] = defaultdict(list)
        for index, transcript in enumerate(transcripts):
            if transcript.text:
                by_language[transcript.language].append(index)
        words: dict[int, tuple[Word, ...]] = {}
        for language, indices in by_language.items():
            texts = [self._tokens.spoken(decoded[index].ids) for index in indices]
            frames = [len(batch[index].audio) // HOP for index in indices]
            aligned = self._decoder.align(encoded.rows(indices), self._tokens.start(language), texts, frames)
            for index, ids, alignment in zip(indices, texts, aligned, strict=True):
                words[index] = tuple(words_of(ids, self._tokens.text, language, alignment, batch[index].speech))
        return words

    def _warm_up(self) -> None:
        self._silero.listen(np.zeros(VAD_WINDOW, np.float32))
        encoded = self._decoder.encode([self._log_mel(np.zeros(HOP, np.float32), WINDOWS[0])])
        if self._decoder.multilingual:
            self._decoder.detect(encoded)
        self._decoder.decode(encoded, [self._tokens.prompt(self._tokens.languages[0], [])], max_tokens=2)
