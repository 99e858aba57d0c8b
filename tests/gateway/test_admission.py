import pytest

from conch.contracts.errors import TooMuch
from gateway.admission import Admission, Place


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


def test_a_call_that_still_arrives_leaves_its_place_to_others() -> None:
    running, arriving = Admission(1), Admission(1, "arriving calls")
    first, second = (Place([running], [arriving]) for _ in range(2))
    with first.among_the_running():
        first.arrive()
        assert (running.running, arriving.running) == (0, 1)
        with second.among_the_running(), pytest.raises(TooMuch, match="1 calls are running"):
            first.run()
        assert (running.running, arriving.running) == (0, 0)
        first.run()
        assert (running.running, arriving.running) == (1, 0)
    assert running.running == 0


def test_so_many_calls_arrive_at_once_and_no_more() -> None:
    refused: list[str] = []
    running, arriving = Admission(2), Admission(1, "arriving calls")
    first, second = (Place([running], [arriving], refused.append) for _ in range(2))
    with first.among_the_running(), second.among_the_running():
        first.arrive()
        with pytest.raises(TooMuch, match="1 arriving calls are running, at most 1 may"):
            second.arrive()
    assert (running.running, arriving.running, refused) == (0, 0, ["arriving calls"])
