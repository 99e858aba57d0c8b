import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import chunk
from conch.contracts.errors import InvalidRequest
from conch.contracts.voice import OPUS_RATES
from gateway.listening.opus import Opus
from tests.gateway.opus_packets import packets

RATE = 16_000
CORRUPT = [b"", b"\x03", b"\xfb\x00", b"\x4b\x3f", b"\x49\x00\x00\x00", b"\xff" * 10]


def voice(seconds: float, rate: int = RATE) -> np.ndarray:
    """Like a vowel: harmonics of a pitch that moves."""
    at = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (140 * at + 5 * np.sin(2 * np.pi * 1.5 * at))
    return (sum(np.sin(number * phase) / number for number in (1, 2, 3, 5, 8)) * 4000).astype(np.int16)


def decoded(decoder: Opus, sent: list[bytes]) -> np.ndarray:
    return np.concatenate([decoder.decode(packet) for packet in sent])


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """1: the same, however loud. Opus delays a little."""
    return max(
        float(np.corrcoef(one[at:].astype(float), other[: len(other) - at].astype(float))[0, 1])
        for at in range(len(one) // 25)
    )


@pytest.mark.parametrize(("declared", "encoded"), list(itertools.product(OPUS_RATES, (16_000, 48_000))))
def test_a_packet_has_the_declared_rates_samples_whatever_it_was_made_at(declared, encoded):
    decoder = Opus(declared)
    sent = packets(voice(0.5, encoded), encoded)

    assert [decoder.samples(packet) for packet in sent] == [declared // 50] * 25
    assert likeness(decoded(decoder, sent), voice(0.5, declared)) > 0.9


@pytest.mark.parametrize("frame_s", [0.0025, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12])
def test_every_length_of_a_packet_is_taken(frame_s):
    pcm = voice(0.72)
    sent = packets(pcm, RATE, frame_s)

    assert len(decoded(Opus(RATE), sent)) == len(sent) * round(frame_s * RATE)


def test_two_channels_are_heard_as_their_mean():
    left = voice(0.5, 48_000)
    both = np.stack([left, np.zeros_like(left)], axis=1).reshape(-1)

    mean = decoded(Opus(48_000), packets(both, 48_000, channels=2, bitrate=128_000))
    alone = decoded(Opus(48_000), packets(left, 48_000))
    assert likeness(mean, left) > 0.9
    assert np.std(mean) / np.std(alone) == pytest.approx(0.5, abs=0.1)


def test_a_decoder_remembers_the_packets_before():
    pcm = voice(0.5)
    sent = packets(pcm, RATE)

    together = decoded(Opus(RATE), sent)
    apart = np.concatenate([Opus(RATE).decode(packet) for packet in sent])
    assert likeness(together, pcm) > 0.95
    assert likeness(apart, pcm) < 0.7


@pytest.mark.parametrize("data", CORRUPT, ids=[data.hex() or "nothing" for data in CORRUPT])
def test_what_is_no_packet_is_refused_and_the_next_one_heard(data):
    first, *others = packets(voice(0.5), RATE)
    decoder, spared = Opus(RATE), Opus(RATE)
    for one in (decoder, spared):
        one.decode(first)

    with pytest.raises(InvalidRequest, match=f"the chunk of {len(data)} bytes is no Opus packet"):
        decoder.decode(data)
    assert decoded(decoder, others).tolist() == decoded(spared, others).tolist()


@given(st.lists(st.binary(max_size=80), max_size=8), st.sampled_from(OPUS_RATES))
def test_any_bytes_are_as_many_samples_as_they_tell_or_refused(sent, rate):
    decoder = Opus(rate)
    for data in sent:
        try:
            assert len(decoder.decode(data)) == decoder.samples(data) <= 0.12 * rate
        except InvalidRequest:
            continue


@given(st.binary(min_size=1, max_size=4), st.sampled_from(OPUS_RATES))
def test_the_bridge_counts_a_packets_samples_as_libopus_does(data, rate):
    told = (("encoding", "opus"), ("rate", str(rate)))
    try:
        samples = Opus(rate).samples(data)
    except InvalidRequest:
        samples = None
    try:
        counted = chunk.decode(data, told, 100).samples
    except chunk.Refused as refused:
        if refused.reason is chunk.Reason.TEXT:
            return
        counted = None
    assert counted == samples


@given(st.integers(0, 3 * RATE), st.booleans())
def test_what_stands_in_for_a_gap_is_as_long_as_the_gap(samples, known):
    first, second = packets(voice(0.04), RATE)
    decoder = Opus(RATE)
    decoder.decode(first)

    assert len(decoder.fill(samples, second if known else b"")) == samples


def test_a_short_gap_is_concealed_and_a_long_one_fades_to_silence():
    sent = packets(voice(0.5), RATE)
    decoder = Opus(RATE)
    heard = decoded(decoder, sent)

    concealed = decoder.fill(RATE, b"")
    assert np.std(concealed[:320]) > 0.3 * np.std(heard)
    assert not concealed[round(0.12 * RATE) :].any()


def test_a_packet_that_carries_the_one_before_mends_its_loss():
    pcm = voice(1.0)
    sent = packets(pcm, RATE, application="voip", inband_fec=1, packet_loss_perc=30, bitrate=32_000)
    whole = decoded(Opus(RATE), sent)

    def with_loss(known: bool) -> float:
        decoder, heard = Opus(RATE), []
        for at, packet in enumerate(sent):
            if at % 5 == 3:
                heard.append(decoder.fill(320, sent[at + 1] if known else b""))
            else:
                heard.append(decoder.decode(packet))
        return float(np.std(np.concatenate(heard).astype(float) - whole))

    assert with_loss(known=True) < 0.7 * with_loss(known=False)


@pytest.mark.parametrize("data", CORRUPT[1:], ids=[data.hex() for data in CORRUPT[1:]])
def test_a_gap_before_a_corrupt_packet_is_filled_all_the_same(data):
    decoder = Opus(RATE)
    decoder.decode(packets(voice(0.02), RATE)[0])

    assert len(decoder.fill(320, data)) == 320
