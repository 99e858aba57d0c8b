"""Services of a few lines in real processes, and a program that runs a stack of them: `python tiny_stack.py FOLDER`."""

import sys
from pathlib import Path

from conch.stack.failures import Patience
from conch.stack.foreground import run_stack
from conch.stack.processes import ProcessMark
from conch.stack.service import Hopeless, Launch, NotYet, Probe, Service, Sick, Site, StackSettings
from conch.stack.state import StateFolder

PATIENCE = Patience(delays_s=(0.0, 0.01), ask_every_s=0.01)

SERVER = """
import os, pathlib, signal, sys, time
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def end(*_):
    with (folder / "ended").open("a") as ended:
        ended.write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print(f"{name} says hello", flush=True)
(folder / f"{name}.pid.new").write_text(str(os.getpid()))
(folder / f"{name}.pid.new").rename(folder / f"{name}.pid")
while True:
    signal.pause()
"""

CRASHING = "import sys; print('the disk is full', flush=True); sys.exit(3)"

DEAF_WITH_A_CHILD = """
import os, pathlib, signal, subprocess, sys
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
(folder / f"{name}.child").write_text(str(child.pid))
(folder / f"{name}.pid.new").write_text(str(os.getpid()))
(folder / f"{name}.pid.new").rename(folder / f"{name}.pid")
while True:
    signal.pause()
"""


class Tiny(Service):
    """Ready once its process has written its pid; sick while a file NAME.sick is there, curable where NAME.cure is."""

    look_every_s = 0.02
    start_s = 20.0
    program = SERVER
    together_with: str | None = None

    def launch(self, site: Site) -> Launch:
        return Launch([sys.executable, "-c", self.program, str(site.folder.root), self.name])

    def probe(self, site: Site, process: ProcessMark) -> Probe:
        return TinyProbe(self, site.folder.root, process)

    def sweep(self, site: Site) -> None:
        (site.folder.root / f"{self.name}.lock").unlink(missing_ok=True)


class TinyProbe(Probe):
    def __init__(self, service: Tiny, folder: Path, process: ProcessMark) -> None:
        self._service = service
        self._folder = folder
        self._process = process

    async def ready(self) -> None:
        if (self._folder / "hopeless").exists():
            raise Hopeless("no such model")
        for name in filter(None, (self._service.name, self._service.together_with)):
            if not (self._folder / f"{name}.pid").exists():
                raise NotYet(f"{name} has not started")
        if (self._folder / f"{self._service.name}.pid").read_text() != str(self._process.pid):
            raise NotYet("its last process wrote that pid")
        with (self._folder / "ready").open("a") as ready:
            ready.write(self._service.name + "\n")

    async def look(self) -> None:
        sick = self._folder / f"{self._service.name}.sick"
        with (self._folder / f"{self._service.name}.looks").open("a") as looks:
            looks.write(".")
        if sick.exists() and sick.read_text() == "a riddle":
            raise ValueError("not in the plan")
        if sick.exists():
            raise Sick("has a fever", certain=sick.read_text() == "certain")

    async def heal(self, sick: Sick) -> None:
        if not (self._folder / f"{self._service.name}.cure").exists():
            raise sick
        (self._folder / f"{self._service.name}.sick").unlink()


def tiny(name: str, *needs: str, **more: object) -> Service:
    service: Service = type(name, (Tiny,), {"name": name, "needs": needs, **more})()
    return service


if __name__ == "__main__":
    services = [tiny("store"), tiny("server", "store", program=DEAF_WITH_A_CHILD, drain_s=0.5)]
    run_stack(StateFolder(sys.argv[1]), services, settings=StackSettings(), ports={}, console=None)
