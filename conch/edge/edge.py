"""An edge in its folder: write what Envoy reads, at the start and after each change."""

from collections.abc import Callable, Collection
from pathlib import Path

from conch.contracts.errors import InvalidRequest
from conch.edge import discovery
from conch.edge.authentication import key_filter, revoked_filter
from conch.edge.bootstrap import bootstrap
from conch.edge.certificates import check_files, publish_secrets
from conch.edge.clusters import clusters
from conch.edge.endpoints import endpoint_files, publish_endpoints
from conch.edge.files import EdgeFiles
from conch.edge.keys import KeyStore
from conch.edge.relays import relay_listeners
from conch.edge.routes import internal_routes, public_routes
from conch.edge.settings import Address, EdgeSettings
from conch.edge.tenants import Tenants

LONGEST_SOCKET_PATH = 107
"""Of the kernel: sockaddr_un holds no more."""


class Edge:
    """`tenants_file` may be missing; see tenants.py. `on_demand` are models that are loaded when they are called."""

    def __init__(
        self, settings: EdgeSettings, root: Path, tenants_file: Path, on_demand: Callable[[], Collection[str]] = tuple
    ) -> None:
        self.settings = settings
        self.files = EdgeFiles(root)
        self.tenants_file = tenants_file
        self.on_demand = on_demand
        self.keys = key_store(self.files)

    def check(self) -> None:
        """Raises InvalidRequest where it must not start; writes nothing."""
        self.settings.check(has_keys=bool(self.keys.signing_keys))
        if self.settings.tls is not None:
            check_files(self.settings.tls)

    def prepare(self) -> None:
        """Everything Envoy needs to start; raises InvalidRequest where it must not."""
        self.check()
        if len(str(self.files.admin_socket)) > LONGEST_SOCKET_PATH:
            raise InvalidRequest(
                f"{self.files.admin_socket} has {len(str(self.files.admin_socket))} characters, a socket's path "
                f"{LONGEST_SOCKET_PATH} at most: choose a folder nearer to the root"
            )
        self.files.create()
        self.publish_endpoints()
        self.publish_tenants()
        publish_keys(self.files, self.keys)
        discovery.publish(self.files.relays, relay_listeners(self.settings.upstreams))
        if self.settings.tls is not None:
            publish_secrets(self.settings.tls, self.files.secrets)
        discovery.replace(self.files.bootstrap, bootstrap(self.settings, self.files))

    def publish_tenants(self) -> bool:
        """After a change of the tenants file, or of what is on demand; a file that is wrong raises and changes nothing.
        True if it said news."""
        tenants, on_demand = Tenants.read(self.tenants_file), self.on_demand()
        # Routes name clusters, so those come first.
        changed = discovery.publish(
            self.files.clusters,
            clusters(
                self.settings.upstreams,
                tenants,
                self.settings.limits.max_calls,
                endpoint_files(self.files, self.settings.upstreams),
            ),
        )
        for file, routes in (
            (self.files.internal_routes, internal_routes(tenants, on_demand)),
            (self.files.routes, public_routes(tenants, self.settings.limits, on_demand)),
        ):
            changed = discovery.publish(file, [routes]) or changed
        return changed

    def publish_endpoints(self, leaving: Collection[Address] = ()) -> bool:
        """Tritons at `leaving`, by either face, get no new calls from now on. True if it said news."""
        return publish_endpoints(self.files, self.settings.upstreams, leaving)


def key_store(files: EdgeFiles) -> KeyStore:
    """Whose changes reach an edge that runs with these files; none has to run."""

    def changed(store: KeyStore) -> None:
        files.create()
        publish_keys(files, store)

    return KeyStore(files.key_store, changed)


def publish_keys(files: EdgeFiles, store: KeyStore) -> None:
    discovery.publish(files.keys, [key_filter(store.signing_keys)])
    discovery.publish(files.revoked, [revoked_filter(store.revoked)])
