"""Several Tritons that are published to as one: what is not done on all of them has not been done."""

from collections.abc import Callable, Collection, Mapping, Sequence

from conch.contracts.errors import Unavailable
from conch.rollout.folders import Folders
from conch.rollout.probes import ModelProbe
from conch.rollout.server import ModelServer, TritonServer
from conch.rollout.servers import ServerAddress, ServerStatus

Statuses = Callable[[], Sequence[ServerStatus]]


class Fleet(ModelServer):
    """Those that serve now; one that is away gets what it should serve when it is back, before it gets calls.

    While none is known to serve, all are meant.
    """

    def __init__(self, servers: Mapping[str, ModelServer], statuses: Statuses) -> None:
        self._servers = servers
        self._statuses = statuses

    async def load(self, model: str, deadline_s: float) -> None:
        # One after the other: what one server refuses, the next is not even asked.
        for server in self._members():
            await server.load(model, deadline_s)

    async def unload(self, model: str, deadline_s: float) -> None:
        for server in self._members():
            await server.unload(model, deadline_s)

    async def ready(self) -> Mapping[str, Sequence[int]]:
        """Versions that can be called wherever a call may go."""
        first, *others = [await server.ready() for server in self._members()]
        return {
            model: [version for version in versions if all(version in other.get(model, ()) for other in others)]
            for model, versions in first.items()
        }

    async def loading(self) -> Collection[str]:
        """Anywhere."""
        return {model for server in self._members() for model in await server.loading()}

    async def ask(self, model: str, version: int, probe: ModelProbe, deadline_s: float) -> None:
        for server in self._members():
            await server.ask(model, version, probe, deadline_s)

    def _members(self) -> Sequence[ModelServer]:
        serving = {one.address.name for one in self._statuses() if one.serves}
        members = [server for name, server in self._servers.items() if name in serving]
        if not members and not self._servers:
            raise Unavailable("there is no server to publish to")
        return members or list(self._servers.values())


def fleet_of(folders: Folders, default: ServerAddress) -> Fleet:
    """For a publisher beside the controller: `default`, and all others that the controller knows."""
    known = {one.address.name: one.address for one in folders.servers.read()} | {default.name: default}
    return Fleet({name: TritonServer(one.http, one.grpc) for name, one in known.items()}, folders.servers.read)
