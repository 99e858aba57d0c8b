"""Show that a version loads and answers, under a name of its own, before any caller can get it."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from conch.durable import move_folder
from conch.rollout.checks import read_config
from conch.rollout.folders import CONFIG, Folders
from conch.rollout.live_config import candidate_config, write_live_config
from conch.rollout.probes import ModelProbe, outputs_named, probes_of
from conch.rollout.server import ModelServer
from conch.rollout.steps import Reached
from conch.rollout.versions import candidate_name


@dataclass(frozen=True, slots=True)
class Deadlines:
    load_s: float = 120.0
    """Of one load; one that takes longer may never return."""
    probe_s: float = 30.0
    unload_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """That a version works: for the journal."""

    probes: int
    expected_outputs: int
    """How many were held against known answers; the others against types, shapes and being numbers."""
    load_s: float
    probe_s: float
    """All of them together."""


class TryingOut:
    def __init__(self, folders: Folders, server: ModelServer, deadlines: Deadlines, reached: Reached) -> None:
        self._folders = folders
        self._server = server
        self._deadlines = deadlines
        self._reached = reached

    async def try_out(self, model: str, version: int, data: Path, own: Path) -> Evidence:
        """Raises RefusedVersion; what it leaves then, `recover` clears up."""
        name = candidate_name(model, version)
        probes = probes_of(read_config(own / CONFIG), own, data)
        self._place(name, version, data, own)
        self._reached("candidate placed")
        began = time.monotonic()
        await self._server.load(name, self._deadlines.load_s)
        self._reached("candidate loaded")
        loaded = time.monotonic()
        await self.probe(name, version, probes)
        probed = time.monotonic()
        self._reached("candidate probed")
        await self._server.unload(name, self._deadlines.unload_s)
        self._folders.remove(self._folders.live_models / name)
        self._reached("candidate gone")
        load_s, probe_s = round(loaded - began, 3), round(probed - loaded, 3)
        return Evidence(len(probes), outputs_named(probes), load_s, probe_s)

    async def probe(self, name: str, version: int, probes: list[ModelProbe]) -> None:
        for probe in probes:
            await self._server.ask(name, version, probe, self._deadlines.probe_s)

    def _place(self, name: str, version: int, data: Path, own: Path) -> None:
        draft = self._folders.staging / name
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        # The same files, not copies: a large version costs no disk twice.
        shutil.copytree(data, draft / str(version), copy_function=os.link)
        write_live_config(draft, candidate_config(own, self._folders.config_name, name, version))
        move_folder(draft, self._folders.live_models / name)
