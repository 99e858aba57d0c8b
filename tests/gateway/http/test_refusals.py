import json

import pytest
from starlette.exceptions import HTTPException

from conch.contracts.errors import ConchError, InvalidRequest, NotFound, TooMuch
from conch.contracts.refusals import TABLE
from gateway.http.refusals import not_routed, refused

KINDS = sorted(TABLE, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_is_a_problem_document(kind: type[ConchError]) -> None:
    answer = refused(kind("3 came, 2 are taken"), "/speak", "r-1")
    assert (answer.status_code, answer.media_type) == (TABLE[kind].http, "application/problem+json")
    assert json.loads(answer.body) == {
        "type": f"urn:conch:problem:{kind.__name__}",
        "title": TABLE[kind].title,
        "status": TABLE[kind].http,
        "detail": "3 came, 2 are taken",
        "instance": "r-1",
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_under_v1_every_error_is_openais_object(kind: type[ConchError]) -> None:
    answer = refused(kind("3 came, 2 are taken"), "/v1/embeddings", "r-1")
    row = TABLE[kind]
    assert (answer.status_code, answer.media_type) == (row.http, "application/json")
    assert json.loads(answer.body) == {
        "error": {"message": "3 came, 2 are taken", "type": row.openai_type, "param": None, "code": row.openai_code}
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_under_v2_every_error_is_kserves(kind: type[ConchError]) -> None:
    answer = refused(kind("3 came, 2 are taken"), "/v2/health/ready", "r-1")
    assert (answer.status_code, json.loads(answer.body)) == (TABLE[kind].http, {"error": "3 came, 2 are taken"})


@pytest.mark.parametrize("path", ["/speak", "/v1/audio/speech", "/v2/models/piper/ready"])
def test_too_large_for_good_and_too_much_for_now_differ(path: str) -> None:
    large, busy = refused(TooMuch("large"), path, "r"), refused(TooMuch("busy", 2.6), path, "r")
    assert (large.status_code, large.headers.get("retry-after")) == (413, None)
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "3")


def test_a_narrower_error_goes_by_its_ancestor_and_says_its_own_word() -> None:
    class NoSuchVoice(NotFound):
        code = "voice_not_found"

    error = NoSuchVoice("x").about("voice")
    assert json.loads(refused(error, "/speak", "r").body)["type"] == "urn:conch:problem:NotFound"
    told = json.loads(refused(error, "/v1/audio/speech", "r").body)["error"]
    assert (told["type"], told["code"], told["param"]) == ("invalid_request_error", "voice_not_found", "voice")


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/models"])
def test_openais_shape_is_for_v1_and_all_under_it(path: str) -> None:
    assert "error" in json.loads(refused(InvalidRequest("x"), path, "r").body)


@pytest.mark.parametrize("path", ["/v10", "/v1beta/models", "/v", "/"])
def test_other_paths_that_begin_alike_are_not_openais(path: str) -> None:
    assert "error" not in json.loads(refused(InvalidRequest("x"), path, "r").body)


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/v1/x", {"error": {"type": "invalid_request_error", "param": None, "code": "method_not_allowed"}}),
        ("/v2/x", {}),
        ("/x", {"type": "about:blank", "title": "Method Not Allowed", "status": 405, "instance": "r"}),
    ],
)
def test_a_method_that_a_path_lacks_is_told_in_the_familys_shape(path: str, document: dict[str, object]) -> None:
    answer = not_routed(HTTPException(405, headers={"allow": "POST"}), "GET", path, "r")
    told = json.loads(answer.body)
    message = "Method Not Allowed: GET is not a method of this path"
    if path == "/v2/x":
        assert told == {"error": message}
    elif path == "/v1/x":
        assert told["error"].pop("message") == message
        assert told == document
    else:
        assert told.pop("detail") == message
        assert told == document
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
