"""The window is the shortest that is safe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.contracts.specs import SPEECH_RATE
from conch.models.mel import FRAMES_A_SECOND, HOP
from conch.models.windows import TRAILING, WINDOWS, window_for


@pytest.mark.parametrize(
    ("seconds", "window"),
    [(0.1, 1000), (5.0, 1000), (5.01, 1500), (10.0, 1500), (10.01, 2000), (15.0, 2000), (15.01, 3000), (30.0, 3000)],
)
def test_five_seconds_of_silence_follow_the_speech_where_there_is_room(seconds, window):
    assert window_for(round(seconds * SPEECH_RATE)) == window


@given(st.integers(1, 30 * SPEECH_RATE))
def test_the_window_holds_the_speech_and_no_shorter_one_would_do(samples):
    window = window_for(samples)
    assert window * HOP >= samples
    safe = [size for size in WINDOWS if size * HOP >= samples + TRAILING * HOP]
    assert window == (safe[0] if safe else 30 * FRAMES_A_SECOND)
