import pytest

from conch.contracts.errors import TooMuch
from gateway.admission import Admission


def test_as_many_as_may_run_run_and_no_more() -> None:
    admission = Admission(2, "calls")
    with admission.admitted(), admission.admitted():
        with pytest.raises(TooMuch, match="2 calls are running, at most 2 may") as caught, admission.admitted():
            pass
        assert caught.value.retry_after_s is not None
    assert admission.running == 0


def test_a_call_that_fails_makes_room() -> None:
    admission = Admission(1)
    with pytest.raises(ZeroDivisionError), admission.admitted():
        raise ZeroDivisionError
    with admission.admitted():
        assert admission.running == 1
