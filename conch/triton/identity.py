"""Read a call's identity from the parameters that Triton forwards with a request.

A body parameter of a header's name stands beside the header's, and Triton does not say which came from where (measured
with 2.51): whoever sends both is refused. A body parameter alone looks like a header. It gains nothing: who reaches
Triton past the edge could send the header as well, and the edge writes the headers on every call that passes it.
"""

import json

from conch.contracts.errors import InvalidRequest
from conch.contracts.identity import (
    ANONYMOUS,
    AUDIO_LIMIT_HEADER,
    REQUEST_ID_HEADER,
    TENANT_HEADER,
    TRACEPARENT_HEADER,
    Identity,
    audio_limit,
)

_PAIRS = json.JSONDecoder(object_pairs_hook=list)

HEADERS = (TENANT_HEADER, REQUEST_ID_HEADER, TRACEPARENT_HEADER, AUDIO_LIMIT_HEADER)


def read_identity(parameters_json: str, request_id: str) -> Identity:
    """`parameters_json` as pb_utils gives it; `request_id` is Triton's, used where no header names one."""
    # A dict would keep the last of two equal names, and with it the forged one.
    pairs = _PAIRS.decode(parameters_json) if parameters_json else []
    values: dict[str, str] = {}
    for name, value in pairs:
        header = name.lower()
        if header not in HEADERS:
            continue
        if header in values:
            raise InvalidRequest(f"{header} is given twice, as a header and in the body; send the header alone")
        if not isinstance(value, str):
            raise InvalidRequest(f"{header} is {type(value).__name__}, a header is text")
        if header == TENANT_HEADER and not value.strip():
            raise InvalidRequest(f"{header} is empty, a tenant has a name")
        values[header] = value
    return Identity(
        tenant=values.get(TENANT_HEADER, ANONYMOUS.tenant),
        request_id=values.get(REQUEST_ID_HEADER, request_id),
        traceparent=values.get(TRACEPARENT_HEADER, ""),
        audio_seconds_per_day=audio_limit(values.get(AUDIO_LIMIT_HEADER)),
    )
