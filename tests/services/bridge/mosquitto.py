"""Mosquitto with deploy/mosquitto, on free ports: the configuration that is shipped is the one that is tested."""

import getpass
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from conch.stack.serving import free_ports
from tests.bridge.brokers import Credentials
from tests.edge.authority import Authority

DEPLOYED = Path(__file__).parents[3] / "deploy" / "mosquitto"

ACME = """
user acme.watch-1
topic write t/acme/wearable/watch-1/audio
topic read t/acme/wearable/watch-1/events
topic read t/acme/wearable/watch-1/speech
"""


class Mosquitto:
    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder / "mosquitto"
        self._folder.mkdir()
        (self._folder / "data").mkdir()
        self.ports = free_ports(2)
        self._devices = Authority(folder / "devices")
        self._bridges = Authority(folder / "bridges")
        self._brokers = Authority(folder / "brokers")
        self._bridge = Credentials(self._brokers.certificate, *self._bridges.sign("conch-bridge"))
        self._settle()

    def prepare(self) -> Sequence[str]:
        libraries = ":".join(map(str, self._program.parents[2].glob("**/*-linux-gnu")))
        # It finds its files from where it stands; nothing of ours starts a process elsewhere.
        words = ["env", f"--chdir={self._folder}", f"LD_LIBRARY_PATH={libraries}", str(self._program)]
        return [*words, "-c", "mosquitto.conf"]

    def port(self, version: int) -> int:
        return self.ports[0]

    def client_id(self, device: str, version: int) -> str:
        """What the certificate says counts."""
        return f"somebody-{version}"

    def credentials(self, tenant: str, device: str) -> Credentials:
        name = device if tenant == "default" else f"{tenant}.{device}"
        return Credentials(self._brokers.certificate, *self._devices.sign(name))

    def bridge_settings(self) -> Mapping[str, object]:
        return {
            "mqtt_address": f"127.0.0.1:{self.ports[1]}",
            "mqtt_ca": self._bridge.authorities,
            "mqtt_certificate": self._bridge.certificate,
            "mqtt_key": self._bridge.key,
        }

    @property
    def saved_bytes(self) -> int:
        """Of what it has on disk."""
        database = self._folder / "data" / "mosquitto.db"
        return database.stat().st_size if database.exists() else 0

    def change(self, directive: str, value: object) -> None:
        """Of the configuration: for the next start."""
        path = self._folder / "mosquitto.conf"
        text, count = re.subn(rf"^{directive} .*$", f"{directive} {value}", path.read_text(), flags=re.MULTILINE)
        assert count == 1, f"{directive} stands there {count} times"
        path.write_text(text)

    def _settle(self) -> None:
        text = (DEPLOYED / "mosquitto.conf").read_text()
        for shipped, port in zip((8883, 8884), self.ports, strict=True):
            assert f"\nlistener {shipped}\n" in text
            text = text.replace(f"\nlistener {shipped}\n", f"\nlistener {port} 127.0.0.1\n")
        # Started by root, it would become somebody who may not write here.
        (self._folder / "mosquitto.conf").write_text(f"{text}user {getpass.getuser()}\n")
        (self._folder / "acl").write_text((DEPLOYED / "acl").read_text() + ACME)
        certificates = self._folder / "certs"
        certificates.mkdir()
        certificate, key = self._brokers.sign("broker")
        shutil.copy(certificate, certificates / "broker.pem")
        shutil.copy(key, certificates / "broker.key")
        shutil.copy(self._devices.certificate, certificates / "devices-ca.pem")
        shutil.copy(self._bridges.certificate, certificates / "bridges-ca.pem")
