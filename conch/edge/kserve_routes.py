"""Triton's own calls, over gRPC and HTTP: which go to it, which to the gateway, and which are refused."""

import re
from collections.abc import Sequence

from conch.edge import kserve
from conch.edge.access import looked_into_as_inference, looked_into_as_load, looked_into_for_its_model
from conch.edge.clusters import Target
from conch.edge.matches import (
    Match,
    by_operator,
    matching,
    method,
    packed,
    packed_otherwise,
    packed_strangely,
    without_body,
)
from conch.edge.route import ONE_ANSWER, READ_AGAIN, STREAMS, UNSENT, Route, read_as_json, refusal, sized, small, to
from conch.edge.settings import Limits
from conch.edge.tenants import Tenant

PACKED_BYTES = 64 * 1024
"""Of a packed gRPC message, which only Triton unpacks: to a thousand times as much, and in memory."""
PACKED_TOO_LARGE = f"a packed message has more than {PACKED_BYTES} bytes: send it unpacked, or packed over HTTP"
OPERATORS_ONLY = "this call needs an operator's key"
LOAD_WITH_PARAMETERS = "a load takes no parameters here: send Content-Length 0, or 2 and {}"


def kserve_grpc(tenant: Tenant, limits: Limits) -> Sequence[Route]:
    triton = Target.TRITON_GRPC
    infer, stream = method(kserve.INFER), method(kserve.STREAM)
    every_call: Match = {"prefix": f"/{kserve.SERVICE}/", "grpc": {}}
    as_packed = to(tenant, "kserve.infer", packed(infer), triton, ONE_ANSWER, UNSENT)
    as_it_is = to(tenant, "kserve.infer", infer, triton, ONE_ANSWER, UNSENT)
    return [
        refusal("kserve.packed", packed_strangely(every_call), 404, "a message is packed with gzip or deflate"),
        refusal("kserve.packed", packed(stream), 404, "the messages of a stream are not packed"),
        looked_into_as_inference(sized(as_packed, PACKED_BYTES), tenant),
        looked_into_as_inference(sized(as_it_is, limits.max_request_bytes), tenant),
        to(tenant, "kserve.stream", stream, triton, STREAMS, UNSENT)
        if tenant.stream
        else refusal("kserve.stream", stream, 403, "this tenant may not open ModelStreamInfer"),
        *(
            to(tenant, "kserve.health", method(name), Target.GATEWAY_GRPC, ONE_ANSWER, READ_AGAIN)
            for name in kserve.HEALTH
        ),
        *(_kserve_reading(tenant, name) for name in kserve.READING),
        looked_into_as_load(small(to(tenant, "kserve.load", by_operator(method(kserve.LOAD)), triton, ONE_ANSWER))),
        small(to(tenant, "kserve.operator", by_operator(every_call), triton, ONE_ANSWER)),
        refusal("kserve.operator", every_call, 403, OPERATORS_ONLY),
        # Envoy reads the body of what says that it is gRPC; Triton may take it for that without being told.
        refusal("kserve.not_grpc", {"prefix": f"/{kserve.SERVICE}/"}, 415, "the content-type is not application/grpc"),
    ]


def _kserve_reading(tenant: Tenant, name: str) -> Route:
    route = small(to(tenant, "kserve.reading", method(name), Target.TRITON_GRPC, ONE_ANSWER, READ_AGAIN))
    return looked_into_for_its_model(route, tenant) if name in kserve.OF_A_MODEL else route


def kserve_http(tenant: Tenant, limits: Limits) -> Sequence[Route]:
    triton, gateway = Target.TRITON_HTTP, Target.GATEWAY_HTTP
    ready = matching(kserve.MODEL_PATH.format(name=kserve.ANY_MODEL) + "/ready")
    load = {"safe_regex": {"regex": "/v2/repository/models/[^/]+/load"}}
    every_call: Match = {"prefix": "/v2/"}
    index: Match = {"path": "/v2/repository/index"}
    return [
        to(tenant, "kserve.health", {"prefix": "/v2/health/"}, gateway, ONE_ANSWER, READ_AGAIN),
        to(tenant, "kserve.health", ready, gateway, ONE_ANSWER, READ_AGAIN),
        refusal("kserve.packed", packed_otherwise(every_call), 415, "a body is packed with gzip or not at all"),
        refusal("kserve.escaped", matching("/v2/.*%.*"), 400, "a path under /v2 has no escaped characters"),
        *_models_http(tenant, limits),
        read_as_json(small(to(tenant, "kserve.reading", index, triton, ONE_ANSWER, READ_AGAIN))),
        small(to(tenant, "kserve.reading", matching("/v2/?"), triton, ONE_ANSWER, READ_AGAIN)),
        small(to(tenant, "kserve.load", without_body(by_operator(load)), triton, ONE_ANSWER)),
        refusal("kserve.load", by_operator(load), 403, LOAD_WITH_PARAMETERS),
        small(to(tenant, "kserve.operator", by_operator(every_call), triton, ONE_ANSWER)),
        refusal("kserve.operator", every_call, 403, OPERATORS_ONLY),
    ]


def _models_http(tenant: Tenant, limits: Limits) -> Sequence[Route]:
    triton = Target.TRITON_HTTP
    any_model = kserve.MODEL_PATH.format(name=kserve.ANY_MODEL)
    # Triton takes this one for statistics of all models, so a model of the name cannot be asked for either.
    stats = {"path": "/v2/models/stats"}
    routes: list[Route] = []
    if tenant.models is None:
        allowed = any_model
        routes.append(small(to(tenant, "kserve.stats", stats, triton, ONE_ANSWER, READ_AGAIN)))
    else:
        allowed = kserve.MODEL_PATH.format(name=f"({'|'.join(map(re.escape, tenant.models))})")
        routes.append(refusal("kserve.stats", stats, 403, "statistics of all models are not for this tenant"))
    if tenant.models != ():
        infer, reading = matching(allowed + kserve.MODEL_INFER), matching(allowed + kserve.MODEL_READING)
        inference = sized(to(tenant, "kserve.infer", infer, triton, ONE_ANSWER, UNSENT), limits.max_request_bytes)
        routes.append(read_as_json(inference))
        routes.append(small(to(tenant, "kserve.reading", reading, triton, ONE_ANSWER, READ_AGAIN)))
    beyond = matching(f"{any_model}({kserve.MODEL_READING}|{kserve.MODEL_INFER})")
    return [*routes, refusal("kserve.model", beyond, 403, "this tenant may not call that model")]
