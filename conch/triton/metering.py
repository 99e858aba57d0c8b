"""Count the audio that a model is handed against its tenant's day, before the model hears it.

The limit comes with each call, in a header that the edge writes; a call without one costs nothing here. A call that is
refused, by us or by the model, uses nothing up.

Where the store is away, calls go through uncounted: that somebody on a site is heard matters more than a sum. A metric
tells how many; a store that did not answer is not asked for a while, so that one which hangs slows next to nobody.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from conch.contracts.errors import ConchError, TooMuch, Unavailable
from conch.contracts.keys import AUDIO_QUOTA_KEEP_S, audio_quota
from conch.models.base import Arrays
from conch.stores.quota import Quota, Take, Taken
from conch.triton.batching import Answer, Call

logger = logging.getLogger(__name__)

ASK_AGAIN_S = 5.0
"""After a store that did not answer."""

AudioMs = Callable[[Arrays], int]


@dataclass(frozen=True, slots=True)
class Clock:
    now: Callable[[], float] = time.time
    """Unix seconds."""
    ticks: Callable[[], float] = time.monotonic


class Meter:
    """`quota` None counts nothing, and says so; `uncounted` is told how many calls went through so."""

    def __init__(self, quota: Quota | None, uncounted: Callable[[int], None], clock: Clock = Clock()) -> None:
        self._quota = quota
        self._uncounted = uncounted
        self._clock = clock
        self._away = False
        self._ask_at = -math.inf

    def run(
        self, calls: Sequence[Call], audio_ms: AudioMs, answer: Callable[[Sequence[Call]], Sequence[Answer]]
    ) -> Sequence[Answer]:
        """One answer a call, in order; `answer` is given those that their tenants' days have room for."""
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        takes = _takes(calls, audio_ms, now)
        taken = self._take(list(takes.values())) if takes else None
        if taken is None:
            return answer(calls)
        refused = {
            index: _refusal(calls[index], takes[index], one, now)
            for index, one in zip(takes, taken, strict=True)
            if not one.granted
        }
        answered = iter(answer([call for index, call in enumerate(calls) if index not in refused]))
        answers = [refused[index] if index in refused else next(answered) for index in range(len(calls))]
        self._give_back(
            [take for index, take in takes.items() if index not in refused and isinstance(answers[index], ConchError)]
        )
        return answers

    def close(self) -> None:
        if self._quota is not None:
            self._quota.close()

    def _take(self, takes: Sequence[Take]) -> Sequence[Taken] | None:
        """None where nobody could be asked."""
        try:
            taken = self._asked().take(takes, AUDIO_QUOTA_KEEP_S)
        except Unavailable as error:
            self._went_away(error)
            self._uncounted(len(takes))
            return None
        if self._away:
            logger.warning("audio is counted again")
            self._away = False
        return taken

    def _give_back(self, takes: Sequence[Take]) -> None:
        if not takes:
            return
        try:
            self._asked().give_back(takes)
        except Unavailable as error:
            self._went_away(error)

    def _asked(self) -> Quota:
        if self._quota is None:
            raise Unavailable("this server has no Redis")
        if self._clock.ticks() < self._ask_at:
            raise Unavailable("Redis did not answer a moment ago")
        return self._quota

    def _went_away(self, error: Unavailable) -> None:
        ticks = self._clock.ticks()
        if ticks >= self._ask_at:
            self._ask_at = ticks + ASK_AGAIN_S
        if not self._away:
            logger.warning("audio is not counted, and limits of a day do not hold: %s", error.message)
            self._away = True


def _takes(calls: Sequence[Call], audio_ms: AudioMs, now: datetime) -> Mapping[int, Take]:
    """By the call's index; a call without a limit, or without audio, takes nothing."""
    takes: dict[int, Take] = {}
    for index, call in enumerate(calls):
        limit_s = call.identity.audio_seconds_per_day
        if limit_s is None:
            continue
        amount_ms = audio_ms(call.inputs)
        if amount_ms:
            takes[index] = Take(audio_quota(call.identity.tenant, now.date()), amount_ms, limit_s * 1000)
    return takes


def _refusal(call: Call, take: Take, taken: Taken, now: datetime) -> TooMuch:
    limit_s, has = take.limit // 1000, f"the call has {take.amount / 1000:.1f} s of audio"
    tenant = call.identity.tenant
    if take.amount > take.limit:
        return TooMuch(f"{has}, tenant {tenant} may send {limit_s} s a day")
    tomorrow = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    said = f"tenant {tenant} has sent {taken.used / 1000:.1f} of {limit_s} s of audio on this day in UTC, and {has}"
    return TooMuch(said, (tomorrow - now).total_seconds())
