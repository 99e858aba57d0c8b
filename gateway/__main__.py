"""`python -m gateway`: read the settings and serve.

Exit codes: 0 drained after SIGTERM or SIGINT, 1 it could not serve, 2 the settings are wrong.
"""

import logging
import sys

from pydantic import ValidationError

from conch.contracts.errors import ConchError
from gateway.processes import Processes
from gateway.settings import Settings


def main() -> int:
    try:
        settings = Settings()
        logging.basicConfig(
            level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
        )
    except (ValidationError, ValueError) as error:
        print(f"the settings are wrong: {error}", file=sys.stderr)
        return 2
    for loud in ("uvicorn", "httpx"):
        logging.getLogger(loud).setLevel(logging.WARNING)
    try:
        return _serve(settings) if settings.processes == 1 else Processes(settings, _serve).run()
    except ConchError as error:
        print(f"the gateway cannot serve: {error}", file=sys.stderr)
        return 1


def _serve(settings: Settings) -> int:
    # Imported here, in the process that serves: see processes.py on forking.
    import asyncio

    from gateway.app import run

    asyncio.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
