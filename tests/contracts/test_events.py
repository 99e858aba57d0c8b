"""What stands in the event log."""

import json
from typing import Any

import jsonschema
import pytest

from conch.contracts.errors import InvalidRequest
from conch.contracts.events import Forgotten, Order, View, decode, decode_forgotten, encode, event_of
from tools.event_schema import FILE, text

ID = "0b6f6f0e-8f0e-4f57-9d0a-63f1f6d2c9aa"
ORDER = Order(id=ID, catalogue="default", user="ana", time_ms=5, pid="p", quantity=2, price=9.5, variant="control")


def fields(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "id": ID, "catalogue": "default", "user": "ana", "time_ms": 5, **more}


def test_an_event_is_read_as_it_was_written() -> None:
    assert decode(encode(ORDER)) == ORDER


def test_a_tombstone_is_read_as_it_was_written() -> None:
    forgotten = Forgotten(catalogue="default", user="ana", time_ms=7)
    assert decode_forgotten(encode(forgotten)) == forgotten
    assert forgotten.key == "default:ana"


def test_what_a_user_did_has_one_key_and_what_nobody_known_did_that_of_its_session() -> None:
    assert ORDER.key == "default:ana"
    assert View(id=ID, catalogue="shop", session="s1", time_ms=5, pid="p").key == "shop:s1"


def test_a_field_of_a_newer_writer_is_passed_over() -> None:
    assert decode(encode(ORDER).replace(b'"pid"', b'"colour":"red","pid"')) == ORDER


@pytest.mark.parametrize(
    ("record", "words"),
    [
        pytest.param(fields("order"), "pid", id="an order of nothing"),
        pytest.param(fields("order", pid="p", quantity=0), ">= 1", id="an order of none"),
        pytest.param(fields("order", pid="p", price=-1.0), ">= 0", id="a negative price"),
        pytest.param(fields("impression", pid="p"), "recommendation_id", id="an impression in no list"),
        pytest.param(fields("view"), "no pid, no master and no category", id="a view of nothing"),
        pytest.param(fields("dream", pid="p"), "dream", id="a kind that is none"),
        pytest.param(fields("click", pid="p", quantity=3), "has no quantity", id="a field of another kind"),
        pytest.param({**fields("click", pid="p"), "user": ""}, "both empty", id="of nobody"),
        pytest.param({**fields("click", pid="p"), "id": "7"}, "pattern|regex", id="an id that is no UUID"),
        pytest.param({**fields("click", pid="p"), "time_ms": 0}, ">= 1", id="without a time"),
        pytest.param(fields("click", pid="p" * 201), "200", id="a name too long"),
        pytest.param(fields("click", pid="p", segment="é" * 33), "66 bytes, at most 64", id="a segment too long"),
    ],
)
def test_what_is_no_event_is_refused_with_what_is_wrong(record: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        event_of(record)


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", b"\xff", b'{"kind":"view"}'])
def test_bytes_that_are_no_event_are_refused(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="no event"):
        decode(value)


def test_the_published_schema_is_that_of_the_code() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run python -m tools.event_schema"


def test_the_published_schema_takes_what_is_written_and_refuses_what_is_not() -> None:
    schema = json.loads(FILE.read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(encode(ORDER)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(fields("order", pid="p", quantity=0), schema)
