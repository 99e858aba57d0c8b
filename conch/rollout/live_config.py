"""The config that Triton reads: a version's own, with the versions that are to be served."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from conch.clients.model_config import parse_config, render_config
from conch.durable import sync_tree, write_text
from conch.rollout.fence import fenced
from conch.rollout.folders import CONFIG, CONFIGS, PROBES

_EPOCH = "# epoch "
"""Begins a live config; a comment, for which Triton loads nothing anew."""


def write_live_config(model_folder: Path, text: str) -> None:
    """`text` is of `live_config`. It stands in config.pbtxt alone, whatever config the server is told to prefer.

    Triton loads every version anew when a file or folder beside config.pbtxt and the versions has changed: one that
    is written with a promotion would cost a reload of the champion, and a rollback its being at once.
    """
    epoch = fenced()
    write_text(model_folder / CONFIG, text if epoch is None else f"{_EPOCH}{epoch}\n{text}")


def read_live_config(model_folder: Path) -> str:
    """As `live_config` made it: without the epoch that it was written in."""
    text = (model_folder / CONFIG).read_text(encoding="utf-8")
    return text.partition("\n")[2] if text.startswith(_EPOCH) else text


def live_config(own: Path, config_name: str, model: str, versions: Sequence[int]) -> str:
    """`config_name` picks configs/<name>.pbtxt where there is one, as the server's --model-config-name does.

    Only `versions` are served, and to callers who name none the greatest; whatever else lies in the folder.
    """
    config = parse_config(preferred(own, config_name).read_text(encoding="utf-8"))
    config.name = model
    config.version_policy.Clear()
    config.version_policy.specific.versions.extend(versions)
    return render_config(config)


def preferred(own: Path, config_name: str) -> Path:
    path = own / CONFIGS / f"{config_name}.pbtxt"
    return path if config_name and path.is_file() else own / CONFIG


def candidate_config(own: Path, config_name: str, name: str, version: int) -> str:
    """Of one instance: it has to answer, not to serve, and its load takes no more of the processors than it must."""
    config = parse_config(live_config(own, config_name, name, [version]))
    for group in config.instance_group:
        group.count = 1
    return render_config(config)


def keep_configs(source: Path, own: Path) -> None:
    """What a folder with a config.pbtxt says of its model, kept with one of its versions."""
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    for name in (CONFIG, PROBES):
        if (source / name).is_file():
            shutil.copyfile(source / name, own / name)
    for path in (source / CONFIGS).glob("*.pbtxt"):
        (own / CONFIGS).mkdir(exist_ok=True)
        shutil.copyfile(path, own / CONFIGS / path.name)
    sync_tree(own)
