"""Limits that hold wherever one Redis is shared: one round trip a batch, and never longer than a deadline.

A take that runs into the deadline may have been counted all the same: a key never says less than was granted.
"""

from collections.abc import Sequence

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from conch.contracts.errors import Unavailable
from conch.stores.quota import Quota, Take, Taken

DEADLINE_S = 0.1
"""To connect, and for each answer: somebody waits for what comes after."""

# One key, so that it works in a cluster too.
_TAKE = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
if used + ARGV[1] > tonumber(ARGV[2]) then return {0, used} end
used = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return {1, used}
"""
# A key that is gone meanwhile must not come back, below zero and for good.
_GIVE_BACK = """
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DECRBY', KEYS[1], ARGV[1]) end
"""


class RedisQuota(Quota):
    def __init__(self, address: str, deadline_s: float = DEADLINE_S) -> None:
        """`address` is host:port. Connects when it is first asked."""
        host, _, port = address.rpartition(":")
        self._redis = Redis(
            host=host.strip("[]"),
            port=int(port),
            socket_timeout=deadline_s,
            socket_connect_timeout=deadline_s,
            retry=Retry(NoBackoff(), 0),
        )

    def take(self, takes: Sequence[Take], keep_s: int) -> Sequence[Taken]:
        answers = self._run([(_TAKE, take.key, (take.amount, take.limit, keep_s)) for take in takes])
        return [Taken(bool(granted), int(used)) for granted, used in answers]

    def give_back(self, taken: Sequence[Take]) -> None:
        self._run([(_GIVE_BACK, take.key, (take.amount,)) for take in taken])

    def close(self) -> None:
        self._redis.close()

    def _run(self, scripts: Sequence[tuple[str, str, tuple[int, ...]]]) -> list[tuple[int, int]]:
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                for script, key, values in scripts:
                    pipeline.eval(script, 1, key, *(str(value) for value in values))
                answers: list[tuple[int, int]] = pipeline.execute()
                return answers
        except (RedisError, OSError) as error:
            raise Unavailable(f"Redis does not answer: {error}") from error
