"""What users of both faces share: whom they call for, what they say, and what a locustfile may be told."""

import itertools
import os
from argparse import ArgumentParser
from collections.abc import Iterator

from locust import constant, events

KEYS = "CONCH_KEYS"
"""The environment variable that holds the tenants' keys, as acme=KEY,beta=KEY: a command line can be read by others."""

NOBODY = ("anybody", "")
"""Where no keys are given: an edge that asks for none."""

TEXTS = (
    "summon the cleaning crew to aisle five",
    "please call Mai from maintenance",
    "how many boxes are left on the dock",
    "send the forklift team to gate two",
)

THINK = constant(0)
"""A closed loop: each user sends its next request when its last is answered."""


def tenants() -> list[tuple[str, str]]:
    """Names and keys."""
    given = [pair.partition("=") for pair in os.environ.get(KEYS, "").split(",") if pair]
    return [(name, key) for name, _, key in given] or [NOBODY]


_turns: Iterator[int] = itertools.count()


def next_tenant() -> tuple[str, str]:
    """Users take turns: with two tenants, half of the users are either's."""
    known = tenants()
    return known[next(_turns) % len(known)]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--grpc-address", default="127.0.0.1:8001", help="Where the edge serves gRPC, host:port")


events.init_command_line_parser.add_listener(add_arguments)  # type: ignore[no-untyped-call]
