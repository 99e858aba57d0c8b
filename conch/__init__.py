"""Conch: an inference serving platform with Triton at its centre.

As a library it is a client: `from conch import Client`. docs/client.md is the manual.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conch.clients.edge import AsyncClient, Client, Retries, Tls
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

__all__ = [
    "AsyncClient",
    "Cancelled",
    "Client",
    "ConchError",
    "DeadlineExceeded",
    "Internal",
    "InvalidRequest",
    "NotFound",
    "PermissionDenied",
    "Retries",
    "Tls",
    "TooMuch",
    "Unauthenticated",
    "Unavailable",
]

_CLIENT = ("AsyncClient", "Client", "Retries", "Tls")


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: a model's process and the command line start without gRPC."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "conch.clients.edge" if name in _CLIENT else "conch.contracts.errors"
    return getattr(importlib.import_module(home), name)
