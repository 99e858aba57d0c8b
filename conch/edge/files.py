"""The edge's folder: what Envoy reads, and what is kept of keys.

envoy.yaml        what it is started with
discovery/        what it reads again when it changes; see discovery.py
keys/             see keys.py
admin.sock        Envoy's admin interface
"""

from pathlib import Path

from conch.edge.certificates import SecretFiles


class EdgeFiles:
    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.bootstrap = self.root / "envoy.yaml"
        self.key_store = self.root / "keys"
        discovery = self.root / "discovery"
        self.clusters = discovery / "clusters.json"
        self.triton_grpc = discovery / "triton_grpc.json"
        self.triton_http = discovery / "triton_http.json"
        self.routes = discovery / "routes.json"
        self.internal_routes = discovery / "internal_routes.json"
        self.relays = discovery / "relays.json"
        self.keys = discovery / "keys.json"
        self.revoked = discovery / "revoked.json"
        self.secrets = SecretFiles(discovery / "certificate.json", discovery / "authorities.json")
        self.admin_socket = self.root / "admin.sock"

    def create(self) -> None:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.clusters.parent.mkdir(exist_ok=True)
