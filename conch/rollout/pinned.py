"""Ensembles while several of their models change: held to the versions of before until all the new ones answer.

Triton gives a step without a version its model's newest, from the moment that one is loaded. An ensemble whose steps
name versions goes on with those; when all models are there it gets its own config back, and with it all the new ones.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from conch.clients.model_config import render_config
from conch.durable import sync_folder, write_text
from conch.rollout.checks import read_config
from conch.rollout.folders import CONFIG, Folders
from conch.rollout.server import ModelServer
from conch.rollout.steps import Reached
from conch.rollout.trying_out import Deadlines

LATEST = -1


class Pinned:
    """`rollout/pinned/<ensemble>.pbtxt` is the config of one that is held; safe to be ended at any step."""

    def __init__(self, folders: Folders, server: ModelServer, deadlines: Deadlines, reached: Reached) -> None:
        self._ensembles = folders.root / "live/ensembles"
        self._kept = folders.rollout / "pinned"
        self._server = server
        self._deadlines = deadlines
        self._reached = reached

    async def hold(self, champions: Mapping[str, int]) -> None:
        """Every ensemble with a step of these models."""
        for path in sorted(self._ensembles.glob(f"*/{CONFIG}")):
            config, pins = read_config(path), 0
            for step in config.ensemble_scheduling.step:
                if step.model_name in champions and step.model_version == LATEST:
                    step.model_version, pins = champions[step.model_name], pins + 1
            if pins:
                write_text(self._kept / f"{path.parent.name}.pbtxt", path.read_text(encoding="utf-8"))
                await self._give(path.parent.name, render_config(config))
                self._reached("ensemble held")

    async def release(self) -> None:
        for kept in sorted(self._kept.glob("*.pbtxt")):
            if (self._ensembles / kept.stem).is_dir():
                await self._give(kept.stem, kept.read_text(encoding="utf-8"))
            self._reached("ensemble released")
            kept.unlink()
            sync_folder(self._kept)

    async def _give(self, ensemble: str, text: str) -> None:
        write_text(self._ensembles / ensemble / CONFIG, text)
        await self._server.load(ensemble, self._deadlines.load_s)


def forget_pinned(rollout: Path) -> None:
    """At the stack's start, which writes all ensembles anew."""
    shutil.rmtree(rollout / "pinned", ignore_errors=True)
