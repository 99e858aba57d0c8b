"""How many mel frames Whisper is shown: the shortest window that is as accurate as the full one.

The encoder's cost grows faster than its window, and commands are short. Silence must follow the speech: with less than
five seconds of it, or a window below ten, the decoder runs away into repetitions (word error rates of 75 to 860 %).
"""

from conch.contracts.specs import SPEECH_RATE
from conch.models.mel import HOP

WINDOWS = (1000, 1500, 2000, 3000)
"""Mel frames of 10 ms; few, so that calls share a batch. The last is what Whisper was trained on."""

TRAILING = 500
"""Frames of silence wanted after the speech."""


def window_for(samples: int) -> int:
    """Frames for this many samples of speech at 16 kHz; the full window where there is no room for the silence."""
    wanted = -(-samples // HOP) + TRAILING
    return next((window for window in WINDOWS if window >= wanted), WINDOWS[-1])


MAX_SAMPLES = WINDOWS[-1] * HOP
assert MAX_SAMPLES == 30 * SPEECH_RATE
