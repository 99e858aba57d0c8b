"""Speech for a device: sentences cut into messages, each with its place."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from conch.contracts.topics import COMMAND_ID, ENCODING, LAST, OFFSET, RATE, SEQUENCE
from conch.contracts.voice import SpokenSentence

MESSAGE_S = 0.4


@dataclass(frozen=True, slots=True)
class Speech:
    """One message: 16-bit little-endian mono."""

    pcm16: bytes
    rate: int
    sequence: int
    offset: int
    """Of its first sample, from the reply's first."""
    command_id: str
    last: bool

    @property
    def properties(self) -> tuple[tuple[str, str], ...]:
        return (
            (COMMAND_ID, self.command_id),
            (SEQUENCE, str(self.sequence)),
            (OFFSET, str(self.offset)),
            (RATE, str(self.rate)),
            (ENCODING, "pcm16"),
            (LAST, "true" if self.last else "false"),
        )


async def messages_of(sentences: AsyncIterator[SpokenSentence], command_id: str) -> AsyncIterator[Speech]:
    """As they are spoken; one is held back, because only after it is known whether it is the last."""
    held: Speech | None = None
    async for sentence in sentences:
        size = 2 * round(MESSAGE_S * sentence.sample_rate)
        for at in range(0, len(sentence.pcm16), size):
            if held is not None:
                yield held
            sequence = 0 if held is None else held.sequence + 1
            offset = 0 if held is None else held.offset + len(held.pcm16) // 2
            held = Speech(sentence.pcm16[at : at + size], sentence.sample_rate, sequence, offset, command_id, False)
    if held is not None:
        yield Speech(held.pcm16, held.rate, held.sequence, held.offset, command_id, True)
