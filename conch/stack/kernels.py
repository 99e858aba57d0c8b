"""The compiled kernels of recommendation, there before a model asks for them."""

import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from conch.contracts.errors import Internal
from conch.recommendation import warm

logger = logging.getLogger(__name__)

COMPILE_S = 300.0


def kernels(folder: Path, home: Path = warm.HERE) -> Mapping[str, str]:
    """What models' environment says of the cache: nothing where they may write beside the sources in `home`.

    Fills the cache where it is not, which takes ten seconds; where Conch may not write what is installed, in `folder`.
    """
    told = {} if _writable(home) else {warm.CACHE_VARIABLE: str(folder)}
    environment = {**os.environ, **told}
    if not warm.is_filled(environment):
        logger.info("compiling the kernels of recommendation")
        command = [sys.executable, "-m", "conch.recommendation.warm"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=COMPILE_S)
        if done.returncode:
            raise Internal(f"the kernels of recommendation cannot be compiled: {done.stderr.strip()[-500:]}")
    return told


def _writable(home: Path) -> bool:
    return warm.CACHE_VARIABLE in os.environ or os.access(home, os.W_OK)
