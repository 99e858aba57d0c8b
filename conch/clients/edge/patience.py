"""How long a client's calls may take, and how often they are tried."""

from typing import Any

from conch.clients.edge.operations import Operation
from conch.clients.edge.retries import Attempts, Budget, Retries


class Patience:
    """A client's; all its calls share one budget."""

    def __init__(self, timeout_s: float | None, retries: Retries) -> None:
        self._timeout_s = timeout_s
        self._retries = retries
        self._budget = Budget(retries)

    def attempts(self, operation: Operation[Any], timeout_s: float | None) -> Attempts:
        """`timeout_s` None: the client's own, or else the operation's."""
        given_s = self._timeout_s if timeout_s is None else timeout_s
        seconds = operation.timeout_s if given_s is None else given_s
        return Attempts(self._retries, self._budget, seconds, idempotent=operation.idempotent)
