"""Which models a tenant may call over gRPC, where the model's name stands in the body.

One filter reads the name, the next refuses what is not in the tenant's list. Neither runs for a tenant that may call
every model, and neither for ModelStreamInfer, whose later messages nobody reads: that is a permission of its own.
"""

from collections.abc import Mapping
from typing import Any

from conch.contracts.identity import OPERATOR_HEADER
from conch.edge import kserve
from conch.edge.discovery import type_url
from conch.edge.tenants import Tenant

PACKED = "gzip|deflate"
"""What gRPC messages may be packed with: Triton knows these."""

_PER_ROUTE_MATCHER = "envoy.extensions.common.matching.v3.ExtensionWithMatcherPerRoute"
_SKIP = {
    "action": {
        "name": "skip",
        "typed_config": {"@type": type_url("envoy.extensions.filters.common.matcher.action.v3.SkipFilter")},
    }
}


def model_filters(tenant: Tenant) -> Mapping[str, Any]:
    """Of a tenant's virtual host, by filter."""
    if tenant.models is None:
        return {}
    return {
        "named_model": {"@type": type_url(_PER_ROUTE_MATCHER), "xds_matcher": skipping(kserve.STREAM)},
        "models": {
            "@type": type_url("envoy.extensions.filters.http.rbac.v3.RBACPerRoute"),
            "rbac": {"rules": {"action": "DENY", "policies": {"other_model": _other_model(tenant.models)}}},
        },
    }


def skipping(method: str) -> Mapping[str, Any]:
    """Envoy's matcher for "every call but this one"."""
    return {
        "matcher_tree": {"input": _header_input(":path"), "exact_match_map": {"map": {kserve.path_of(method): _SKIP}}},
    }


def skipping_what_has_no_bad_parameters() -> Mapping[str, Any]:
    """Envoy's matcher for "all but loads and inference". A packed inference cannot be read, and is small."""
    load, infer = (_predicate(":path", {"exact": kserve.path_of(method)}) for method in (kserve.LOAD, kserve.INFER))
    packed = {
        "and_matcher": {
            "predicate": [infer, _predicate("grpc-encoding", {"safe_regex": {"google_re2": {}, "regex": PACKED}})]
        }
    }
    others = {"not_matcher": {"or_matcher": {"predicate": [load, infer]}}}
    return {"matcher_list": {"matchers": [{"predicate": one, "on_match": _SKIP} for one in (others, packed)]}}


def bad_parameters() -> Mapping[str, Any]:
    """Rules that refuse what harms Triton.

    A load with any parameter, whoever sends it: `file:` writes what it likes. Classification of an output, unless an
    operator asks: where the output is text, it ends Triton 2.51 (SIGFPE).
    """
    load = {"url_path": {"path": {"exact": kserve.path_of(kserve.LOAD)}}}
    present = {"string_match": {"safe_regex": {"regex": "(?s).*"}}}
    classification = {"string_match": {"contains": "classification"}}
    operator = {"header": {"name": OPERATOR_HEADER, "string_match": {"exact": "true"}}}
    refused = {
        "load_parameters": [load, _extracted("parameters", present)],
        "classification": [{"not_rule": operator}, _extracted(kserve.OUTPUT_PARAMETERS, classification)],
    }
    policies = {
        name: {"permissions": [{"and_rules": {"rules": rules}}], "principals": [{"any": True}]}
        for name, rules in refused.items()
    }
    return {"action": "DENY", "policies": policies}


def _header_input(name: str) -> Mapping[str, Any]:
    header = {"@type": type_url("envoy.type.matcher.v3.HttpRequestHeaderMatchInput"), "header_name": name}
    return {"name": "header", "typed_config": header}


def _predicate(header: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"single_predicate": {"input": _header_input(header), "value_match": value}}


def _other_model(models: tuple[str, ...]) -> Mapping[str, Any]:
    named = [{"url_path": {"path": {"exact": kserve.path_of(method)}}} for method in kserve.NAMED_BY]
    # A name that could not be read is in no list.
    allowed = [
        _extracted(field, {"string_match": {"exact": model}})
        for field in sorted(set(kserve.NAMED_BY.values()))
        for model in models
    ]
    rules: list[Mapping[str, Any]] = [{"or_rules": {"rules": named}}]
    if allowed:
        rules.append({"not_rule": {"or_rules": {"rules": allowed}}})
    return {"permissions": [{"and_rules": {"rules": rules}}], "principals": [{"any": True}]}


def _extracted(field: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    matcher = {
        "filter": "envoy.filters.http.grpc_field_extraction",
        "path": [{"key": field}],
        "value": {"list_match": {"one_of": value}},
    }
    return {"sourced_metadata": {"metadata_matcher": matcher}}
