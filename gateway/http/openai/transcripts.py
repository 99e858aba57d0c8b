"""A finished transcript in each format that OpenAI's clients may ask for."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import JSONResponse, PlainTextResponse, Response

from conch.contracts.voice import Segment, TranscriptSummary
from conch.subtitles import Cue, to_srt, to_vtt
from gateway.http.openai.languages import name_of
from gateway.http.openai.shapes import DurationUsage, SegmentShape, TranscriptionShape, VerboseShape, WordShape
from gateway.http.openai.wishes import Wishes


@dataclass(frozen=True, slots=True)
class Transcript:
    segments: Sequence[Segment]
    summary: TranscriptSummary

    def response(self, wishes: Wishes) -> Response:
        match wishes.response_format:
            case "text":
                return PlainTextResponse(f"{self.summary.text}\n")
            case "srt":
                return PlainTextResponse(to_srt(self._cues()))
            case "vtt":
                return PlainTextResponse(to_vtt(self._cues()))
            case "verbose_json":
                return JSONResponse(self._verbose(wishes).model_dump(exclude_none=True))
        return JSONResponse(TranscriptionShape(text=self.summary.text, usage=self._usage()).model_dump())

    def _cues(self) -> list[Cue]:
        return [Cue(one.start_s, one.end_s, one.text) for one in self.segments]

    def _usage(self) -> DurationUsage:
        return DurationUsage(seconds=seconds_of(self.summary))

    def _verbose(self, wishes: Wishes) -> VerboseShape:
        words = [
            WordShape(word=word.text.strip(), start=round(word.start_s, 3), end=round(word.end_s, 3))
            for segment in self.segments
            for word in segment.words
        ]
        return VerboseShape(
            language=name_of(self.summary.language),
            duration=round(self.summary.duration_s, 3),
            text=self.summary.text,
            words=words if wishes.expectation.with_words else None,
            segments=[_shape(*numbered) for numbered in enumerate(self.segments)] if wishes.segments else None,
            usage=self._usage(),
        )


def seconds_of(summary: TranscriptSummary) -> int:
    """As OpenAI counts: a second that has begun is one."""
    # A file of 2 s may be one of 2.0000001 s once it is decoded.
    return math.ceil(round(summary.duration_s, 3))


def _shape(number: int, segment: Segment) -> SegmentShape:
    return SegmentShape(
        id=number,
        seek=round(segment.start_s * 100),
        start=round(segment.start_s, 3),
        end=round(segment.end_s, 3),
        # Whisper's own segments begin with a space, and code that joins them counts on it.
        text=f" {segment.text}",
        tokens=[],
        temperature=0.0,
        avg_logprob=round(segment.scores.avg_logprob, 4),
        compression_ratio=round(segment.scores.compression_ratio, 3),
        no_speech_prob=round(segment.scores.no_speech_prob, 4),
    )
