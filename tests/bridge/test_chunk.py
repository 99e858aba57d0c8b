import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.chunk import Chunk, Encoding, Format, Reason, Refused, decode

MOST = 1000
PLACED = (("session", "one"), ("seq", "7"), ("offset", "5600"))


def test_bare_bytes_are_pcm16_at_16_khz():
    assert decode(b"\1\2\3\4", (), MOST) == Chunk(b"\1\2\3\4", Format(16_000, Encoding.PCM16, False), 2)


def test_user_properties_tell_place_and_format():
    told = (*PLACED, ("rate", "8000"), ("encoding", "mulaw"), ("colour", "green"), ("colour", "red"))
    assert decode(b"abc", told, MOST) == Chunk(b"abc", Format(8000, Encoding.MULAW, True), 3, "one", 7, 5600)


@pytest.mark.parametrize(
    ("packet", "samples"),
    [(b"\x08x", 960), (b"\x48x", 960), (b"\x09x", 1920), (b"\xf8x", 960), (b"\xe0x", 120), (b"\xfb\x03x", 2880)],
    ids=["silk 20 ms", "silk wide 20 ms", "two frames", "celt 20 ms", "celt 2.5 ms", "three frames"],
)
def test_an_opus_packet_tells_how_many_samples_it_has(packet, samples):
    assert decode(packet, (("encoding", "opus"), ("rate", "48000")), MOST).samples == samples


@pytest.mark.parametrize(
    ("data", "properties", "reason"),
    [
        (b"", (), Reason.EMPTY),
        (b"\0", (), Reason.ODD_LENGTH),
        (b"\0\0" * MOST, (), Reason.TOO_LARGE),
        (b'{"a": 1}', (), Reason.TEXT),
        (b"[1, 2]", (), Reason.TEXT),
        (b' {"a": 1}\n', (), Reason.TEXT),
        (b"\0\0", PLACED[:2], Reason.PROPERTIES),
        (b"\0\0", PLACED[1:], Reason.PROPERTIES),
        (b"\0\0", (*PLACED, ("seq", "8")), Reason.PROPERTIES),
        (b"\0\0", (("session", "a b"),), Reason.PROPERTIES),
        (b"\0\0", (("session", ""),), Reason.PROPERTIES),
        (b"\0\0", (*PLACED[:2], ("offset", "1e3")), Reason.PROPERTIES),
        (b"\0\0", (*PLACED[:2], ("offset", str(2**53 + 1))), Reason.PROPERTIES),
        (b"\0\0", (("rate", "7999"),), Reason.PROPERTIES),
        (b"\0\0", (("rate", "٨٠٠٠"),), Reason.PROPERTIES),
        (b"\0\0", (("encoding", "mp3"),), Reason.PROPERTIES),
        (b"\x08x", (("encoding", "opus"), ("rate", "44100")), Reason.PROPERTIES),
        (b"\x03", (("encoding", "opus"),), Reason.PACKET),
        (b"\xfb\x00", (("encoding", "opus"),), Reason.PACKET),
        (b"\x1b\x03", (("encoding", "opus"),), Reason.PACKET),
    ],
)
def test_what_is_no_chunk_is_refused_with_its_reason(data, properties, reason):
    with pytest.raises(Refused) as refused:
        decode(data, properties, MOST)
    assert refused.value.reason is reason


@pytest.mark.parametrize(("encoding", "bytes_each"), [("pcm16", 2), ("mulaw", 1)])
def test_a_chunk_that_the_gateway_would_not_take_is_refused_here(encoding, bytes_each):
    told = (("rate", "8000"), ("encoding", encoding))
    assert decode(bytes(80_000 * bytes_each), told, 200_000).samples == 80_000
    with pytest.raises(Refused, match="at most 10 are taken"):
        decode(bytes(80_001 * bytes_each), told, 200_000)


@given(
    st.binary(max_size=64),
    st.lists(st.tuples(st.sampled_from(["session", "seq", "offset", "rate", "encoding"]), st.text(max_size=8))),
)
def test_any_message_is_a_chunk_or_refused(data, properties):
    try:
        chunk = decode(data, properties, MOST)
    except Refused:
        return
    assert chunk.samples > 0
