import json

import pytest

from conch.clients.status import CODES
from conch.contracts.errors import ConchError, NotFound, TooMuch
from gateway.http.problems import STATUSES, TITLES, problem


def test_both_faces_have_a_word_for_the_same_errors() -> None:
    ours = {kind for kind in ConchError.__subclasses__() if kind.__module__ == ConchError.__module__}
    assert set(STATUSES) == set(TITLES) == set(CODES) == ours


@pytest.mark.parametrize("kind", sorted(STATUSES, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_every_error_is_a_problem_document(kind: type[ConchError]) -> None:
    answer = problem(kind("3 came, 2 are taken"), "r-1")
    assert answer.media_type == "application/problem+json"
    assert json.loads(answer.body) == {
        "type": f"urn:conch:problem:{kind.__name__}",
        "title": TITLES[kind],
        "status": STATUSES[kind],
        "detail": "3 came, 2 are taken",
        "instance": "r-1",
    }


def test_too_large_for_good_and_too_much_for_now_differ() -> None:
    assert problem(TooMuch("large"), "r").status_code == 413
    later = problem(TooMuch("busy", 2.6), "r")
    assert (later.status_code, later.headers["retry-after"]) == (429, "3")


def test_a_narrower_error_goes_by_its_ancestor() -> None:
    class NoSuchVoice(NotFound):
        pass

    assert json.loads(problem(NoSuchVoice("x"), "r").body)["type"] == "urn:conch:problem:NotFound"
