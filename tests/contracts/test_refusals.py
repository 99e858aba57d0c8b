import grpc
import pytest

from conch.contracts import errors
from conch.contracts.errors import ConchError, Internal, TooMuch, Unavailable
from conch.contracts.refusals import TABLE, TOO_MUCH_FOR_NOW, kind_of, refusal_of

# TRITONSERVER_Error_Code, as far as the python back end knows it.
TRITON_CODES = {
    "UNKNOWN", "INTERNAL", "NOT_FOUND", "INVALID_ARG", "UNAVAILABLE", "UNSUPPORTED", "ALREADY_EXISTS", "CANCELLED",
}  # fmt: skip

# Those that OpenAI's documentation and its clients know.
OPENAI_TYPES = {
    "invalid_request_error", "authentication_error", "permission_error", "rate_limit_error", "server_error",
}  # fmt: skip

CLASSES = {
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ConchError) and kind is not ConchError
}


def test_the_table_has_a_row_for_each_error_and_no_other() -> None:
    assert set(TABLE) == CLASSES


@pytest.mark.parametrize("refusal", [*TABLE.values(), TOO_MUCH_FOR_NOW], ids=lambda refusal: refusal.grpc)
def test_every_word_is_one_that_its_face_knows(refusal) -> None:
    assert refusal.grpc in grpc.StatusCode.__members__
    assert refusal.triton in TRITON_CODES
    assert refusal.openai_type in OPENAI_TYPES
    assert 400 <= refusal.http < 600


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_faces_agree_on_whose_fault_it_is(kind: type[ConchError]) -> None:
    ours = kind in (errors.Unavailable, errors.DeadlineExceeded, errors.Internal)
    assert (TABLE[kind].http >= 500) is ours
    assert (TABLE[kind].openai_type == "server_error") is ours


def test_a_subclass_has_the_row_of_its_base() -> None:
    class Quarantined(Unavailable):
        """A model that is out of service."""

    error = Quarantined("quarantined")
    assert (kind_of(error), refusal_of(error)) == (Unavailable, TABLE[Unavailable])


def test_an_error_of_no_class_is_ours_to_answer_for() -> None:
    assert refusal_of(ConchError("?")) == TABLE[Internal]


def test_what_is_too_large_for_good_is_not_worth_a_retry() -> None:
    assert (refusal_of(TooMuch("31 s")).http, refusal_of(TooMuch("31 s")).triton) == (413, "INVALID_ARG")
    busy = refusal_of(TooMuch("5 calls a second are over", retry_after_s=1.0))
    assert (busy.http, busy.triton) == (429, "UNAVAILABLE")
