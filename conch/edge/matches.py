"""Which calls a route takes, as Envoy's matchers."""

from collections.abc import Mapping
from typing import Any

from conch.contracts.identity import OPERATOR_HEADER
from conch.edge import kserve

Match = Mapping[str, Any]

PACKED = "gzip|deflate"
"""What gRPC messages may be packed with: Triton knows these."""

GRPC: Match = {"prefix": "/", "grpc": {}}


def method(name: str) -> Match:
    return {"path": kserve.path_of(name), "grpc": {}}


def matching(regex: str) -> Match:
    return {"safe_regex": {"regex": regex}}


def packed(match: Match) -> Match:
    """Of gRPC messages."""
    return {**match, "headers": [{"name": "grpc-encoding", "string_match": {"safe_regex": {"regex": PACKED}}}]}


def packed_strangely(match: Match) -> Match:
    known = {"name": "grpc-encoding", "string_match": {"safe_regex": {"regex": f"{PACKED}|identity"}}}
    return {**match, "headers": [{"name": "grpc-encoding", "present_match": True}, {**known, "invert_match": True}]}


def starting(header: str, text: str) -> Mapping[str, Any]:
    return {"name": header, "string_match": {"prefix": text, "ignore_case": True}}


def by_operator(match: Match) -> Match:
    return {**match, "headers": [{"name": OPERATOR_HEADER, "string_match": {"exact": "true"}}]}


def packed_otherwise(match: Match) -> Match:
    """With what the edge cannot unpack to look into."""
    packed = [
        {"name": "content-encoding", "present_match": True},
        {
            "name": "content-encoding",
            "string_match": {"safe_regex": {"regex": "(gzip|identity|)"}},
            "invert_match": True,
        },
    ]
    return {**match, "headers": packed}


def without_body(match: Match) -> Match:
    """Two bytes, as clients send {}, hold no parameters."""
    nothing = {"name": "content-length", "string_match": {"safe_regex": {"regex": "[02]"}}}
    return {**match, "headers": [*match["headers"], nothing]}
