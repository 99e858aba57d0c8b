"""Chunks of a session as samples: by a decoder that remembers what came before, where the encoding needs that."""

from typing import Protocol

from gateway.audio import Samples
from gateway.listening.formats import Encoding, Format, Plain
from gateway.listening.opus import Opus


class Decoder(Protocol):
    """Given a session's chunks in order, each once; what never came is filled in at its place."""

    def samples(self, data: bytes) -> int:
        """Of one channel, in this chunk; nothing is decoded yet. Raises InvalidRequest for what is no whole chunk."""
        ...

    def decode(self, data: bytes) -> Samples:
        """As many, as one channel. Raises InvalidRequest, and then has heard nothing."""
        ...

    def fill(self, samples: int, before: bytes) -> Samples:
        """What stands in for as many that never came, before this chunk; empty: nobody knows which comes next."""
        ...


def decoder_of(format: Format) -> Decoder:  # noqa: A002 - what it is called everywhere
    return Opus(format.rate) if format.encoding is Encoding.OPUS else Plain(format)
