"""Fetch and check the weights and lay out what Triton reads, `repository/` and `live/`, with the configs named last.

python3 fill_repository.py FOLDER gpu
"""

import sys
from pathlib import Path

from conch.rollout.folders import Folders
from conch.stack.repository import checkout, fill_live, fill_repository
from conch.weights.cache import WeightCache, default_root, verified_weights
from conch.weights.manifest import Manifest
from conch.weights.packages import locate
from conch.weights.pull import Pull
from conch.weights.transfer import opening


def fill(folder: Path, config_name: str) -> list[str]:
    """Names of the models and ensembles that `folder`/live holds then."""
    manifest, cache = Manifest.read(), WeightCache(default_root())
    with opening() as transfer:
        Pull(cache, transfer, locate).pull(manifest.needed)
    fill_repository(checkout(), folder / "repository", verified_weights(manifest=manifest, cache=cache))
    Folders(folder).config_name = config_name
    return fill_live(folder / "repository", folder / "live")


if __name__ == "__main__":
    print(f"Triton will serve {', '.join(fill(Path(sys.argv[1]), sys.argv[2]))}")
