"""Bring the folders, and the server, back to what the record says: after a refusal, a failure or a crash."""

import contextlib
import logging
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from conch.contracts.errors import ConchError
from conch.rollout.folders import Folders
from conch.rollout.live_config import live_config, read_live_config, write_live_config
from conch.rollout.pinned import Pinned
from conch.rollout.record import ModelRecord
from conch.rollout.server import ModelServer
from conch.rollout.steps import Reached, unheard
from conch.rollout.trying_out import Deadlines

logger = logging.getLogger(__name__)


async def recover(folders: Folders, server: ModelServer, deadlines: Deadlines, reached: Reached = unheard) -> bool:
    """True where something had been left. Under the lock; safe to repeat, and to be ended at any step.

    The record is the truth: a version that is in it stays, one that is not has never been there.
    """
    candidates, pending = folders.candidates(), folders.pending()
    if candidates:
        await _remove(folders, server, candidates, deadlines, reached)
    for model, version in pending.versions.items() if pending is not None else ():
        record = folders.records.read(model)
        if record is None:
            await _forget_model(folders, server, model, version, deadlines, reached)
        else:
            await _converge(folders, server, record, deadlines, reached)
            forget_version(folders, record, version, reached)
    if pending is not None:
        await Pinned(folders, server, deadlines, reached).release()
        folders.records.settle()
    folders.end()
    found = pending is not None or bool(candidates)
    if found:
        reached("cleared up")
    return found


async def _remove(
    folders: Folders, server: ModelServer, candidates: Sequence[Path], deadlines: Deadlines, reached: Reached
) -> None:
    """One whose load has not ended leaves an empty folder: Triton lists only what has one."""
    loading: Collection[str] = ()
    with contextlib.suppress(ConchError):
        loading = await server.loading()
    for path in candidates:
        if path.name not in loading:
            with contextlib.suppress(ConchError):
                await server.unload(path.name, deadlines.unload_s)
        reached("candidate unloaded")
        folders.remove(path)
        reached("candidate removed")
        if path.name in loading:
            path.mkdir()


async def _converge(
    folders: Folders, server: ModelServer, record: ModelRecord, deadlines: Deadlines, reached: Reached
) -> None:
    own, live = folders.configs(record.model, record.champion), folders.live_models / record.model
    wanted = live_config(own, folders.config_name, record.model, record.serving)
    served = (await server.ready()).get(record.model, ())
    if read_live_config(live) == wanted and sorted(served) == sorted(record.serving):
        return
    write_live_config(live, wanted)
    reached("config taken back")
    await server.load(record.model, deadlines.load_s)
    reached("champion served")


async def _forget_model(
    folders: Folders, server: ModelServer, model: str, version: int, deadlines: Deadlines, reached: Reached
) -> None:
    if model in await server.ready():
        await server.unload(model, deadlines.unload_s)
        reached("model unloaded")
    folders.remove(folders.live_models / model)
    reached("model removed")
    shutil.rmtree(folders.configs(model, version).parent, ignore_errors=True)
    reached("its configs removed")


def forget_version(folders: Folders, record: ModelRecord, version: int, reached: Reached = unheard) -> None:
    if version in record.known:
        return
    folders.remove(folders.version(record.model, version))
    reached("version removed")
    shutil.rmtree(folders.configs(record.model, version), ignore_errors=True)
    reached("its config removed")
