"""Read a call's identity from the parameters that Triton forwards with a request.

A body parameter of a header's name stands beside the header's: whoever sends both is refused, because Triton does not
say which came from where (measured with 2.51).
"""

import json

from conch.contracts.errors import InvalidRequest
from conch.contracts.identity import REQUEST_ID_HEADER, TENANT_HEADER, TRACEPARENT_HEADER, Identity


def read_identity(parameters_json: str, request_id: str) -> Identity:
    """`parameters_json` as pb_utils gives it; `request_id` is Triton's, used where no header names one."""
    pairs = json.loads(parameters_json, object_pairs_hook=list) if parameters_json else []
    values: dict[str, str] = {}
    for name, value in pairs:
        key = str(name).lower()
        if key not in (TENANT_HEADER, REQUEST_ID_HEADER, TRACEPARENT_HEADER):
            continue
        if key in values:
            raise InvalidRequest(f"{key} is given twice, once as a header and once in the body; send it once")
        values[key] = str(value)
    return Identity(
        tenant=values.get(TENANT_HEADER, Identity().tenant),
        request_id=values.get(REQUEST_ID_HEADER, request_id),
        traceparent=values.get(TRACEPARENT_HEADER, ""),
    )
