"""Hot features in Redis, one server or a cluster: both forms of a key in one slot, written by one script."""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import methodcaller
from typing import Any, TypeVar

from redis import Redis, RedisCluster
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from conch.contracts.errors import Unavailable
from conch.contracts.features import HEADER_BYTES
from conch.contracts.keys import PACKED_TTL, packed
from conch.stores.features import BREAK, SILENCE, Hash, HotFeatures, List, SortedSet, Value, Write

DEADLINE_S = 0.1
"""To connect, and for each answer: somebody waits for what comes after."""

PROTOCOL = 2
"""Said outright: what redis-py chooses by itself costs twice the time on sorted sets."""

JITTER = 0.1
"""Of a packed key's time to live; of one key always the same, so that what is left of it tells when it was written."""

Result = TypeVar("Result")

# Compares (epoch, window end, revision) as conch/contracts/features.py lays them out. KEYS: packed, documented.
# ARGV: blob, packed ttl in ms, documented ttl in s ("" for good), kind, then the value's parts. Where another program
# wrote the documented key, the packed one outlives that by as much as it would outlive one of ours.
_WRITE = """
local function stamp(blob)
  local epoch, revision, window = struct.unpack('<I4I4i8', blob, 17)
  return epoch, window, revision
end
local standing = redis.call('GET', KEYS[1])
if standing and #standing >= 32 and standing:byte(1) == ARGV[1]:byte(1) then
  local e1, w1, r1 = stamp(standing)
  local e2, w2, r2 = stamp(ARGV[1])
  if e1 > e2 or (e1 == e2 and (w1 > w2 or (w1 == w2 and r1 > r2))) then return 0 end
end
local kind = ARGV[4]
if ARGV[2] == '' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  local kept = tonumber(ARGV[2])
  local left = kind == '' and redis.call('PTTL', KEYS[2]) or -1
  if left ~= -1 then kept = kept - ARGV[3] * 1000 + math.max(left, 0) end
  redis.call('SET', KEYS[1], ARGV[1], 'PX', kept)
end
if kind == '' then return 1 end
redis.call('DEL', KEYS[2])
local write = {zset = 'ZADD', list = 'RPUSH', hash = 'HSET'}
for at = 5, #ARGV, 1000 do
  redis.call(write[kind], KEYS[2], unpack(ARGV, at, math.min(at + 999, #ARGV)))
end
if ARGV[3] ~= '' then redis.call('EXPIRE', KEYS[2], ARGV[3]) end
return 1
"""

# Another program may write the documented key between our look at it and this. KEYS: packed, documented.
_FORSAKE = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""

_READ: Mapping[str, Callable[[Any, str], Any]] = {
    "zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
    "list": lambda client, key: client.lrange(key, 0, -1),
    "hash": lambda client, key: client.hgetall(key),
}


def _sorted_set(pairs: Any) -> Value | None:
    return SortedSet({member.decode(): score for member, score in pairs}) if pairs else None


def _list(items: Any) -> Value | None:
    return List([item.decode() for item in items]) if items else None


def _hash(fields: Any) -> Value | None:
    return Hash({name.decode(): value.decode() for name, value in fields.items()}) if fields else None


# What is empty ended between the two waves.
_VALUE: Mapping[str, Callable[[Any], Value | None]] = {"zset": _sorted_set, "list": _list, "hash": _hash}


class RedisFeatures(HotFeatures):
    def __init__(self, address: str, *, cluster: bool = False, deadline_s: float = DEADLINE_S) -> None:
        """`address` is host:port, of any node in a cluster. Connects when it is first asked."""
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._cluster = cluster
        self._deadline_s = deadline_s
        self._client: Any = None
        self._idle: list[Any] = []
        """Connections that read, while they do not: the client's pool takes longer for one than Redis for an answer."""

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        """`within_s` holds for one server; what a cluster's nodes say is waited for until the deadline."""
        if not keys:
            return []
        names = [packed(key) for key in keys]
        if not self._cluster:
            most_s = self._deadline_s if within_s is None else min(within_s, self._deadline_s)
            return self._run(lambda client: self._got(client, names, most_s))
        # Keys of different slots cannot be one MGET; the pipeline goes to every node at once.
        return self._run(lambda client: _piped(client, [("GET", name) for name in names]))

    def documented(self, key: str) -> Value | None:
        (value,) = self.all_documented([key])
        return value

    def all_documented(self, keys: Sequence[str]) -> Sequence[Value | None]:
        kinds = self._run(lambda client: _piped(client, [("TYPE", key) for key in keys]))
        kinds = [kind.decode() if isinstance(kind, bytes) else kind for kind in kinds]
        asked = [(kind, key) for kind, key in zip(kinds, keys, strict=True) if kind in _READ]
        values = iter(self._run(lambda client: _valued(client, asked)))
        return [next(values) if kind in _READ else None for kind in kinds]

    def exist(self, keys: Sequence[str]) -> Sequence[bool]:
        return [bool(found) for found in self._run(lambda client: _piped(client, [("EXISTS", key) for key in keys]))]

    def deleted(self, keys: Mapping[str, int | None]) -> Sequence[bool]:
        missing = [key for key, there in zip(keys, self.exist(list(keys)), strict=True) if not there]
        asked = [(word, packed(key)) for word in ("STRLEN", "PTTL") for key in missing]
        answers = self._run(lambda client: _piped(client, asked))
        known = zip(missing, answers[: len(missing)], answers[len(missing) :], strict=True)
        found = {key for key, size, left in known if size > HEADER_BYTES and _is_early(key, keys[key], left)}
        return [key in found for key in keys]

    def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        return self._scripts([(_WRITE, write.key, _arguments(write)) for write in writes])

    def forsake(self, keys: Sequence[str]) -> Sequence[bool]:
        return self._scripts([(_FORSAKE, key, ()) for key in keys])

    def delete(self, keys: Sequence[str]) -> None:
        # Both forms of a key stand in one slot, two keys need not.
        for key in keys:
            self._run(methodcaller("delete", key, packed(key)))

    def scan(self, pattern: str) -> Iterator[str]:
        """Packed forms are left out."""
        yield from (name for name in self._names(pattern) if not name.startswith("pk:{"))

    def scan_packed(self, pattern: str) -> Iterator[str]:
        yield from (name.removeprefix("pk:{").removesuffix("}") for name in self._names(packed(pattern)))

    def _scripts(self, scripts: Sequence[tuple[str, str, Sequence[Any]]]) -> Sequence[bool]:
        """Script, documented key, arguments."""
        commands = [("EVAL", script, 2, packed(key), key, *arguments) for script, key, arguments in scripts]
        if not self._cluster:
            return [bool(done) for done in self._run(lambda client: _piped(client, commands))]
        return [bool(self._run(methodcaller("execute_command", *command))) for command in commands]

    def _names(self, pattern: str) -> Iterator[str]:
        names = self._run(lambda client: client.scan_iter(match=pattern, count=1_000))
        while True:
            try:
                yield next(names).decode()
            except StopIteration:
                return
            except (RedisError, OSError) as error:
                raise Unavailable(f"Redis does not answer: {error}") from error

    def publish(self, channel: str, messages: Sequence[str]) -> None:
        commands = [("PUBLISH", channel, message) for message in messages]
        if not self._cluster:
            self._run(lambda client: _piped(client, commands))
        else:
            self._run(lambda client: [client.execute_command(*command) for command in commands])

    def messages(self, channels: Sequence[str], wait_s: float) -> Iterator[tuple[str, str]]:
        listening = self._listening(channels)
        return self._messages(listening, channels, wait_s)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().disconnect()
        if self._client is not None:
            self._client.close()

    def _got(self, client: Any, names: Sequence[str], within_s: float) -> list[bytes | None]:
        """MGET by a connection of our own, since the client's own call knows one deadline for all."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = client.connection_pool.make_connection()
        try:
            _make_ready(connection)
            connection.send_command("MGET", *names)
            answer: list[bytes | None] = connection.read_response(timeout=within_s)
        except BaseException:
            # What comes late must not be the answer to the next question.
            connection.disconnect()
            raise
        self._idle.append(connection)
        return answer

    def _messages(self, listening: Any, channels: Sequence[str], wait_s: float) -> Iterator[tuple[str, str]]:
        try:
            while True:
                try:
                    if listening is None:
                        listening = self._listening(channels)
                        yield BREAK
                    message = listening.get_message(ignore_subscribe_messages=True, timeout=wait_s)
                except (Unavailable, RedisError, OSError):
                    if listening is not None:
                        listening.close()
                        listening = None
                    time.sleep(min(wait_s, 1.0))
                    message = None
                if message is None:
                    yield SILENCE
                else:
                    yield message["channel"].decode(), message["data"].decode()
        finally:
            if listening is not None:
                listening.close()

    def _listening(self, channels: Sequence[str]) -> Any:
        def subscribe(client: Any) -> Any:
            listening = client.pubsub()
            listening.subscribe(*channels)
            # The server has confirmed each when this returns: what is published from now on is heard.
            for _ in channels:
                listening.get_message(timeout=self._deadline_s)
            return listening

        return self._run(subscribe)

    def _run(self, call: Callable[[Any], Result]) -> Result:
        try:
            if self._client is None:
                self._client = self._connected()
            return call(self._client)
        except (RedisError, OSError) as error:
            raise Unavailable(f"Redis does not answer: {error}") from error

    def _connected(self) -> Any:
        options: Mapping[str, Any] = {
            "socket_timeout": self._deadline_s,
            "socket_connect_timeout": self._deadline_s,
            "protocol": PROTOCOL,
            # Without it nothing is said before the first question: a server that is frozen has one deadline, not two.
            "driver_info": None,
        }
        if self._cluster:
            # One retry: a node that has moved is known after the first.
            return RedisCluster(host=self._host, port=self._port, retry=Retry(NoBackoff(), 1), **options)
        return Redis(host=self._host, port=self._port, retry=Retry(NoBackoff(), 0), **options)


def _make_ready(connection: Any) -> None:
    """As the client's pool does: a server that went away meanwhile, and came back, has closed it."""
    connection.connect()
    try:
        is_done = connection.can_read()
    except (RedisError, OSError):
        is_done = True
    if is_done:
        connection.disconnect()
        connection.connect()


def _piped(client: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    with client.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        answers: list[Any] = pipeline.execute()
        return answers


def _valued(client: Any, asked: Sequence[tuple[str, str]]) -> list[Value | None]:
    """Of (kind, key): by the client's own words, which read what a server answers."""
    with client.pipeline(transaction=False) as pipeline:
        for kind, key in asked:
            _READ[kind](pipeline, key)
        answers = pipeline.execute()
    return [_VALUE[kind](answer) for (kind, _), answer in zip(asked, answers, strict=True)]


def _arguments(write: Write) -> list[Any]:
    ttl_s = write.ttl_s
    head = [write.packed, "", ""] if ttl_s is None else [write.packed, _kept_ms(write.key, ttl_s), ttl_s]
    match write.value:
        case SortedSet(scores):
            return [*head, "zset", *(part for member, score in scores.items() for part in (score, member))]
        case List(items):
            return [*head, "list", *items]
        case Hash(fields):
            return [*head, "hash", *(part for field in fields.items() for part in field)]
        case None:
            return [*head, ""]


def _kept_ms(key: str, ttl_s: int) -> int:
    """Of the packed form that is written with a documented one."""
    return round(1_000 * ttl_s * PACKED_TTL * (1 + JITTER * zlib.crc32(key.encode()) / 2**32))


def _is_early(key: str, ttl_s: int | None, left_ms: int) -> bool:
    """That the documented key is gone, as long as its packed one is still kept: by now it would not have ended."""
    return ttl_s is None or left_ms > _kept_ms(key, ttl_s) - 1_000 * ttl_s
