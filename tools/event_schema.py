"""Write docs/events.schema.json from conch/contracts/events.py; a test tells when it is stale.

python -m tools.event_schema
"""

import json
from pathlib import Path

from conch.contracts.events import schema

FILE = Path(__file__).parents[1] / "docs/events.schema.json"


def text() -> str:
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
