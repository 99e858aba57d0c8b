import pytest

from conch.contracts.errors import InvalidRequest
from gateway.listening.pace import Pace, Pacing

RATE = 16000


def play(seconds: float, times: float, *, chunk_s: float = 0.2, held_up: bool = False, rest_s: float = 0.0) -> None:
    """Chunks of a sender at `times` real time, who rests after every eighth second."""
    pace, now, heard = Pace(RATE, Pacing(), 0.0), 0.0, 0
    while now < seconds:
        heard += round(chunk_s * RATE)
        pace.heard(now, heard, held_up=held_up)
        now += chunk_s / times
        if rest_s and int(now) % 8 == 7:
            now += rest_s


@pytest.mark.parametrize("times", [2.0, 0.5, 3.0, 6.0, 44100 / 32000], ids=lambda times: f"{times:.2f}x")
def test_a_rate_that_lies_for_long_is_refused(times: float) -> None:
    with pytest.raises(
        InvalidRequest, match=f"declared as 16000 samples a second and arrives as {times * 16:.0f}"[:-2]
    ):
        play(60, times)


@pytest.mark.parametrize("times", [1.0, 1.1, 0.9], ids=["exact", "fast clock", "slow clock"])
def test_a_paced_device_is_believed(times: float) -> None:
    play(600, times)


def test_a_burst_after_a_break_is_legal() -> None:
    play(60, 30.0)


def test_who_catches_up_slowly_has_not_lied_before_the_time_is_up() -> None:
    play(25, 2.0)


def test_our_own_slowness_is_not_held_against_the_sender() -> None:
    play(600, 2.0, held_up=True)


def test_speech_in_spells_is_legal() -> None:
    play(600, 1.0, rest_s=9.0)
    play(600, 1.0, rest_s=3.0)
