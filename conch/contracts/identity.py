"""Who a call is for, as the edge tells it: headers that Triton forwards to every model and ensemble step."""

from dataclasses import dataclass

TENANT_HEADER = "x-conch-tenant"
REQUEST_ID_HEADER = "x-conch-request-id"
TRACEPARENT_HEADER = "traceparent"
FORWARDED_PATTERN = "x-conch-.*|traceparent"
"""Triton's --grpc-header-forward-pattern: the headers above reach models as request parameters."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Read from forwarded headers only, never from a request's body."""

    tenant: str = "default"
    request_id: str = ""
    traceparent: str = ""


ANONYMOUS = Identity()
