import pytest

from conch.contracts import errors
from conch.contracts.errors import ConchError, Internal, InvalidRequest, TooMuch, Unavailable
from conch.triton.codes import CODES, code_name

# TRITONSERVER_Error_Code, as far as the python back end knows it.
TRITON_CODES = {
    "UNKNOWN", "INTERNAL", "NOT_FOUND", "INVALID_ARG", "UNAVAILABLE", "UNSUPPORTED", "ALREADY_EXISTS", "CANCELLED",
}  # fmt: skip

CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ConchError) and kind is not ConchError
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_of_ours_has_a_code_that_triton_knows(kind):
    assert CODES[kind] in TRITON_CODES


def test_the_table_names_no_class_that_is_gone():
    assert set(CODES) == set(CLASSES)


def test_a_subclass_has_the_code_of_its_base():
    class Quarantined(Unavailable):
        """A model that is out of service."""

    assert code_name(Quarantined("quarantined")) == CODES[Unavailable]


def test_an_error_of_no_class_is_ours_to_answer_for():
    assert code_name(ConchError("?")) == CODES[Internal]


def test_what_is_too_large_for_good_is_not_worth_a_retry():
    assert code_name(TooMuch("31 s of audio, 30 are taken")) == CODES[InvalidRequest]
    assert code_name(TooMuch("5 calls a second are over", retry_after_s=1.0)) == "UNAVAILABLE"
