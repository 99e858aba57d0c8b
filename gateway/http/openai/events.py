"""Server-sent events as OpenAI's clients read them."""

import json
from typing import Any

from conch.contracts.errors import ConchError
from gateway.http.refusals import openai_error

MEDIA_TYPE = "text/event-stream"


def event(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def error_event(error: ConchError) -> bytes:
    """What went wrong after the first event: clients raise it."""
    return event(openai_error(error))
