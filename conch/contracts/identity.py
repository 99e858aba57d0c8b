"""Who a call is for, as the edge tells it: headers that Triton forwards to every model and ensemble step."""

from dataclasses import dataclass

TENANT_HEADER = "x-conch-tenant"
REQUEST_ID_HEADER = "x-conch-request-id"
TRACEPARENT_HEADER = "traceparent"
KEY_HEADER = "x-conch-key"
"""Id of the API key that came with the call."""
OPERATOR_HEADER = "x-conch-operator"
""""true" where that key is an operator's; absent otherwise."""
FORWARDED_PATTERN = "x-conch-.*|traceparent"
"""Triton's --grpc-header-forward-pattern: the headers above reach models as request parameters."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Read from forwarded headers only, never from a request's body."""

    tenant: str = "default"
    request_id: str = ""
    traceparent: str = ""


ANONYMOUS = Identity()
