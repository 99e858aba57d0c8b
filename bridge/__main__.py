"""`python -m bridge`: read the settings and carry audio.

Exit codes: 0 ended by SIGTERM or SIGINT, 1 it could not go on, 2 the settings are wrong.
"""

import asyncio
import logging
import os
import sys

from pydantic import ValidationError

from bridge.actions.site import WrongSettings
from bridge.app import run
from bridge.settings import Settings
from conch.contracts.errors import ConchError

SECRETS = "CONCH_BRIDGE_SECRETS_FOLDER"
"""A folder with a file for each secret, named as its variable in small letters: how orchestrators hand them in."""


def main() -> int:
    try:
        settings = Settings(_secrets_dir=os.environ.get(SECRETS))  # type: ignore[call-arg] # unknown to its types
        logging.basicConfig(
            level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
        )
    except (ValidationError, ValueError) as error:
        print(f"the settings are wrong: {error}", file=sys.stderr)
        return 2
    wrong: list[BaseException] = []
    failed: list[BaseException] = []
    try:
        asyncio.run(run(settings))
    except* WrongSettings as errors:
        wrong = _leaves(errors)
    except* (ConchError, OSError) as errors:
        failed = _leaves(errors)
    if wrong:
        print(f"the settings are wrong: {'; '.join(map(str, wrong))}", file=sys.stderr)
        return 2
    if failed:
        print(f"the bridge cannot go on: {'; '.join(map(str, failed))}", file=sys.stderr)
    return 1 if failed else 0


def _leaves(errors: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in errors.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


if __name__ == "__main__":
    sys.exit(main())
