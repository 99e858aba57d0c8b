"""What the queue policy of every model promises, on small models that wait until they are let go."""

import pytest


def test_a_request_whose_time_is_up_in_the_queue_is_rejected_and_does_not_run(small):
    with small.holding("ledger"):
        late = small.start("ledger", small.row([1.0], "late"), timeout=1)
        patient = small.start("ledger", small.row([1.0], "patient"), timeout=20_000_000)
        assert late.error().status() == "StatusCode.UNAVAILABLE"
        assert "Request timeout expired" in late.error().message()
    assert patient.result()["label"] == "patient"
    assert "late" not in small.repository.noted("ledger")


def test_a_cancelled_call_in_the_queue_does_not_run(small):
    with small.holding("ledger"):
        calls = [small.start("ledger", small.row([1.0], label)) for label in ("gone", "stays")]
        small.await_queue("ledger", 2)
        calls[0].cancel()
        assert calls[0].error().status() == "StatusCode.CANCELLED"
    assert calls[1].result()["label"] == "stays"
    assert "gone" not in small.repository.noted("ledger")


def test_a_full_queue_refuses_the_next_request_at_once(small):
    with small.holding("bounded"):
        queued = [small.start("bounded", small.row([1.0], label)) for label in ("one", "two")]
        small.await_queue("bounded", 2)
        refused = small.start("bounded", small.row([1.0], "three")).error()
        assert refused.status() == "StatusCode.UNAVAILABLE"
        assert "exceeds maximum queue size" in refused.message().lower()
    assert [call.result()["label"] for call in queued] == ["one", "two"]
    assert "three" not in small.repository.noted("bounded")


@pytest.mark.parametrize("through", ["single", "chain"], ids=["a model", "an ensemble"])
def test_an_interactive_call_overtakes_bulk_work(small, through):
    # In the ensemble the first step is quick, so that all meet in the queue of the second.
    with small.holding("single"):
        calls = []
        for label, priority in (("bulk", 2), ("more bulk", 0), ("interactive", 1)):
            calls.append(small.start(through, small.row([1.0], label), priority=priority))
            small.await_queue("single", len(calls))
    assert [call.error() for call in calls] == [None, None, None]
    assert small.repository.noted("single")[-3:] == ["interactive", "bulk", "more bulk"]
