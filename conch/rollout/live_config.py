"""The config that Triton reads: a version's own, with the versions that are to be served."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from conch.clients.model_config import parse_config, render_config
from conch.rollout.durable import sync_tree, write_text
from conch.rollout.folders import CONFIG, CONFIGS, PROBES


def write_live_config(own: Path, model_folder: Path, name: str, versions: Sequence[int]) -> None:
    """config.pbtxt last: it is the one that the server looks at first."""
    for path in sorted((own / CONFIGS).glob("*.pbtxt")):
        write_text(model_folder / CONFIGS / path.name, with_policy(path.read_text(encoding="utf-8"), name, versions))
    write_text(model_folder / CONFIG, with_policy((own / CONFIG).read_text(encoding="utf-8"), name, versions))


def with_policy(text: str, name: str, versions: Sequence[int]) -> str:
    """Only these are served, and to callers who name none the greatest; whatever else lies in the folder."""
    config = parse_config(text)
    config.name = name
    config.version_policy.Clear()
    config.version_policy.specific.versions.extend(versions)
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
