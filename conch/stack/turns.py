"""How many calls of a model the one gateway of an embedded stack lets run at once: the model's instances.

Models that are not here have more instances than callers who overlap, or gather batches.
"""

import json
from collections.abc import Mapping

MODELS_AT_ONCE: Mapping[str, int] = {"whisper": 2, "piper": 1}


def turns() -> Mapping[str, str]:
    """As environment of a gateway."""
    return {"CONCH_GATEWAY_MODELS_AT_ONCE": json.dumps(dict(MODELS_AT_ONCE))}
