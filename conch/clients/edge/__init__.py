"""The client of Conch's front door: our services and any model, typed, blocking or async.

    with Client("127.0.0.1:8001", api_key=key) as conch:
        print(conch.understand("call Mai").intent)

`operations.py` is what a call is; `voice.py`, `text.py`, `kserve.py` and `health.py` build requests and read replies;
`blocking.py` and `asynchronous.py` send them, and differ in nothing but waiting. docs/client.md is the manual.
"""

from conch.clients.edge.asynchronous import AsyncAnswers, AsyncClient
from conch.clients.edge.blocking import Answers, Client
from conch.clients.edge.connection import Tls
from conch.clients.edge.results import Embeddings, Inferred, Speech, Transcript
from conch.clients.edge.retries import Retries

__all__ = [
    "Answers",
    "AsyncAnswers",
    "AsyncClient",
    "Client",
    "Embeddings",
    "Inferred",
    "Retries",
    "Speech",
    "Tls",
    "Transcript",
]
