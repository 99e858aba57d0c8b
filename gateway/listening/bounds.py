"""What one session may take, and how long it waits."""

from dataclasses import dataclass

from conch.contracts.voice import LISTEN_CHUNK_S


@dataclass(frozen=True, slots=True)
class Bounds:
    chunk_s: float = LISTEN_CHUNK_S
    """Of audio in one chunk."""
    buffer_s: float = 10.0
    """Of audio that was received and not heard yet; then nothing more is read from the caller."""
    finals: int = 4
    """Utterances that wait for their final; then no more audio is heard."""
    gap_s: float = 10.0
    """Silence stands in for a shorter gap; a longer one ends the utterance."""
    back_s: float = 60.0
    """Audio may be sent again from so far back."""
    block_s: float = 0.128
    """Of audio in one call of the voice activity detector, at least."""
    stall_s: float = 3.0
    """Without audio while somebody speaks: the utterance ends."""
    idle_s: float = 300.0
    """Without audio: the session ends."""
    partial_every_s: float = 0.6
    """Of new audio, before the next partial is asked for."""
    partial_s: float = 2.0
    """A partial that takes longer is stale."""
    final_s: float = 60.0
    """To decide one utterance, through refusals and restarts; then the session ends, and audio is sent again."""
    prompt_s: float = 1.0
    """For the last final; where it took longer models have no time for what may be in vain, and none is foreseen."""
    answer_s: float = 10.0
    """In which a question of ours must be answered."""
    ack_s: float = 0.5
    """Between two acks, where there is something to tell."""
    tick_s: float = 0.25
    """Between two looks at the clock."""
