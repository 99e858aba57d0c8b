"""Conch: an inference serving platform with Triton at its centre.

As a library it is a client: `from conch import Client`. docs/client.md is the manual.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conch.clients.edge import AsyncClient, Client, Retries, Tls
    from conch.commands.contacts import Contact
    from conch.contracts.errors import (
        Cancelled,
        ConchError,
        DeadlineExceeded,
        Internal,
        InvalidRequest,
        NotFound,
        PermissionDenied,
        TooMuch,
        Unauthenticated,
        Unavailable,
    )
    from conch.contracts.voice import AudioInfo, Progress, Segment, TranscriptSummary

__all__ = [
    "AsyncClient",
    "AudioInfo",
    "Cancelled",
    "Client",
    "ConchError",
    "Contact",
    "DeadlineExceeded",
    "Internal",
    "InvalidRequest",
    "NotFound",
    "PermissionDenied",
    "Progress",
    "Retries",
    "Segment",
    "Tls",
    "TooMuch",
    "TranscriptSummary",
    "Unauthenticated",
    "Unavailable",
]

_HOMES = {
    **dict.fromkeys(("AsyncClient", "Client", "Retries", "Tls"), "conch.clients.edge"),
    "Contact": "conch.commands.contacts",
    **dict.fromkeys(("AudioInfo", "Progress", "Segment", "TranscriptSummary"), "conch.contracts.voice"),
}
"""All others are errors."""


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: a model's process and the command line start without gRPC."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "conch.contracts.errors")), name)
