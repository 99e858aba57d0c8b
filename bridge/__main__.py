"""`python -m bridge`: read the settings and carry audio.

Exit codes: 0 ended by SIGTERM or SIGINT, 1 it could not go on, 2 the settings are wrong.
"""

import asyncio
import logging
import sys

from pydantic import ValidationError

from bridge.app import run
from bridge.settings import Settings
from conch.contracts.errors import ConchError


def main() -> int:
    try:
        settings = Settings()
        logging.basicConfig(
            level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
        )
    except (ValidationError, ValueError) as error:
        print(f"the settings are wrong: {error}", file=sys.stderr)
        return 2
    failed: list[BaseException] = []
    try:
        asyncio.run(run(settings))
    except* (ConchError, OSError) as errors:
        failed = _leaves(errors)
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
