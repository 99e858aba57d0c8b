import numpy as np
import pytest

from conch.contracts.errors import InvalidRequest
from gateway.listening.formats import Encoding, Format, Plain

# The decoder's output values of ITU-T G.711, tables 2a and 2b, as 16-bit samples: code and value.
G711 = {0xFF: 0, 0xFE: 8, 0xF0: 120, 0xEF: 132, 0x80: 32124, 0x7F: 0, 0x7E: -8, 0x00: -32124, 0x8F: 16764}


@pytest.mark.parametrize(("code", "value"), G711.items())
def test_mulaw_is_g711(code: int, value: int) -> None:
    assert Plain(Format(Encoding.MULAW, 8000, 1)).decode(bytes([code])).tolist() == [value]


def test_pcm16_is_little_endian() -> None:
    assert Plain(Format(Encoding.PCM16, 16000, 1)).decode(b"\x01\x00\xff\xff\x00\x80").tolist() == [1, -1, -32768]


def test_two_channels_are_heard_as_their_mean_without_overflow() -> None:
    both = np.array([[32767, 32767], [-32768, -32768], [100, -300]], "<i2").tobytes()
    assert Plain(Format(Encoding.PCM16, 16000, 2)).decode(both).tolist() == [32767, -32768, -100]
    assert Plain(Format(Encoding.MULAW, 8000, 2)).decode(b"\xfe\x7e").tolist() == [0]


def test_no_bytes_are_no_samples() -> None:
    assert len(Plain(Format(Encoding.PCM16, 16000, 2)).decode(b"")) == 0


@pytest.mark.parametrize(
    ("encoding", "channels", "size"),
    [(Encoding.PCM16, 1, 3), (Encoding.PCM16, 2, 6), (Encoding.MULAW, 2, 3)],
)
def test_a_part_of_a_sample_is_refused(encoding: Encoding, channels: int, size: int) -> None:
    with pytest.raises(InvalidRequest, match=f"the chunk has {size} bytes"):
        Plain(Format(encoding, 16000, channels)).samples(b"\0" * size)


@pytest.mark.parametrize(
    ("declared", "complaint"),
    [
        (Format(Encoding.PCM16, 7999, 1), "sample_rate is 7999, 8000 to 48000"),
        (Format(Encoding.PCM16, 96000, 1), "sample_rate is 96000"),
        (Format(Encoding.PCM16, 16000, 3), "channels is 3, 1 or 2"),
        (Format(Encoding.OPUS, 44100, 1), "sample_rate is 44100, of Opus 8000, 12000, 16000, 24000, 48000"),
    ],
    ids=["too slow", "too fast", "three channels", "opus"],
)
def test_what_is_not_taken_is_refused_with_what_is(declared: Format, complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        declared.check()
