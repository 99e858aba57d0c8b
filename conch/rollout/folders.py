"""Where publishing keeps what, in a state folder.

live/models/<model>/<n>/      what Triton reads; written here and by the stack's start alone
live/.staging/                versions on their way in, and on their way out
sources/<name>/<model>/<n>/   versions that are fetched; watched as repository/ is
rollout/lock                  who publishes now
rollout/epoch                 how many have held that lock
rollout/controller            which process is the controller
rollout/servers.json          the servers, and which of them serve what they should
rollout/on_demand.json        models that are loaded when they are called, and which of them are
rollout/orders/<server>.json  what is to be done to a server's process
rollout/faults.json           what is known to be wrong with the models now; gateways read it
rollout/heartbeat             written every second by the process that watches the repository
rollout/journal.jsonl         what was done
rollout/pending.json          the publishing that has begun and not ended
rollout/records/<model>.json  versions, champion
rollout/together.json         records that several models got in one step, until each stands in its file
rollout/pinned/               configs of ensembles that are held to the versions of before
rollout/configs/<model>/<n>/  each version's config.pbtxt and configs/, as they came
rollout/quarantine/           refused versions
rollout/uploads/              versions that are being received
rollout/config_name           which of configs/ the server prefers
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from conch.clients.faults import Faults
from conch.durable import remove_folder, write_json, write_text
from conch.rollout.journal import Journal
from conch.rollout.on_demand.states import OnDemandStates
from conch.rollout.orders import Orders
from conch.rollout.quarantine import Quarantine
from conch.rollout.record import Records
from conch.rollout.refusals import NotUnderstood
from conch.rollout.servers import ServerStatuses
from conch.rollout.versions import is_candidate, version_folders

CONFIG = "config.pbtxt"
CONFIGS = "configs"
"""Beside config.pbtxt: those for other devices, of which a server may be told to take one."""
PROBES = "probes.json"


@dataclass(frozen=True, slots=True)
class Pending:
    versions: Mapping[str, int]
    """By model; several where they go live in one step."""

    @classmethod
    def decode(cls, text: bytes) -> Self:
        """Raises NotUnderstood. What an older Conch wrote names one model, and is understood."""
        try:
            document = json.loads(text)
            versions = document["versions"] if "versions" in document else {document["model"]: document["version"]}
            return cls({str(model): int(version) for model, version in versions.items()})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise NotUnderstood(
                f"rollout/pending.json is {text[:80]!r}, which this Conch does not write: start the stack anew, and it "
                "serves what rollout/records says"
            ) from None


class Folders:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.live_models = root / "live/models"
        self.live_ensembles = root / "live/ensembles"
        self.staging = root / "live/.staging"
        self.repository = root / "repository"
        self.sources = root / "sources"
        self.rollout = root / "rollout"
        self.uploads = self.rollout / "uploads"
        self.lock = self.rollout / "lock"
        self.controller = self.rollout / "controller"
        self.heartbeat = self.rollout / "heartbeat"
        self.journal = Journal(self.rollout / "journal.jsonl")
        self.quarantine = Quarantine(self.rollout / "quarantine")
        self.records = Records(self.rollout / "records")
        self.servers = ServerStatuses(self.rollout / "servers.json")
        self.on_demand = OnDemandStates(self.rollout / "on_demand.json")
        self.orders = Orders(self.rollout / "orders")
        self.faults = Faults(self.rollout / "faults.json")

    def watched(self) -> list[Path]:
        """Where versions come from: the repository, and each source that is fetched."""
        return [self.repository, *sorted(path for path in self.sources.glob("*") if path.is_dir())]

    def version(self, model: str, version: int) -> Path:
        return self.live_models / model / str(version)

    def configs(self, model: str, version: int) -> Path:
        return self.rollout / "configs" / model / str(version)

    def live_versions(self, model: str) -> list[int]:
        folder = self.live_models / model
        return version_folders([path.name for path in folder.iterdir()]) if folder.is_dir() else []

    def left_over(self) -> list[Path]:
        """Candidates of which nothing is left but a name that a server still loads."""
        return [path for path in self.candidates() if not any(path.iterdir())]

    def candidates(self) -> list[Path]:
        return [path for path in self.live_models.glob("*") if is_candidate(path.name)]

    def remove(self, folder: Path) -> None:
        remove_folder(folder, self.staging)

    def clear_staging(self) -> None:
        shutil.rmtree(self.staging, ignore_errors=True)

    def begin(self, pending: Pending) -> None:
        write_json(self._pending, {"versions": dict(pending.versions)})

    def end(self) -> None:
        self.clear_staging()
        self._pending.unlink(missing_ok=True)

    def pending(self) -> Pending | None:
        """Raises NotUnderstood."""
        try:
            return Pending.decode(self._pending.read_bytes())
        except FileNotFoundError:
            return None

    @property
    def config_name(self) -> str:
        """As the server of this folder was told: "gpu", or empty."""
        path = self.rollout / "config_name"
        return path.read_text(encoding="utf-8").strip() if path.is_file() else ""

    @config_name.setter
    def config_name(self, name: str) -> None:
        write_text(self.rollout / "config_name", name + "\n")

    @property
    def _pending(self) -> Path:
        return self.rollout / "pending.json"
