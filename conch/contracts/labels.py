"""Names of tenants as values of a metric's label: bounded, whatever callers write into headers.

The edge writes x-conch-tenant on every call that passes it, so that it is a name of the tenants file. Who reaches a
server past the edge may write anything; every new value would be a new series, kept for good.
"""

from conch.contracts.identity import TENANT_NAME

MOST_TENANTS = 100
"""A process tells apart; those it meets after them are OTHER. Operators of more read logs or traces by tenant."""

OTHER = "other"


class TenantLabels:
    """The first MOST_TENANTS that are named as a tenant can be keep their names."""

    def __init__(self, most: int = MOST_TENANTS) -> None:
        self._most = most
        self._known: set[str] = set()

    def of(self, tenant: str) -> str:
        if tenant in self._known:
            return tenant
        if len(self._known) >= self._most or TENANT_NAME.fullmatch(tenant) is None:
            return OTHER
        self._known.add(tenant)
        return tenant
