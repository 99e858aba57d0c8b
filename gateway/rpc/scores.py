"""What a recogniser thinks of its text, as messages."""

from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.voice import Scores, Word


def to_word(word: Word) -> pb.Word:
    return pb.Word(text=word.text, start_s=word.start_s, end_s=word.end_s, probability=word.probability)


def to_scores(scores: Scores) -> pb.Scores:
    return pb.Scores(
        avg_logprob=scores.avg_logprob,
        no_speech_prob=scores.no_speech_prob,
        compression_ratio=scores.compression_ratio,
        speech_s=scores.speech_s,
        language_probability=scores.language_probability,
    )
