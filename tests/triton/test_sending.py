import threading
from collections import Counter

from conch.contracts import metrics
from conch.triton.counts import Counts, Series
from conch.triton.sending import Sending
from tests.settling import becomes


def test_what_is_counted_arrives_without_being_asked_for_and_the_rest_at_the_end():
    counts, sent = Counts("intent", "1"), Counter[str]()
    sending = Sending(counts, lambda series, value: sent.update({series.family: int(value)}), every_s=3600)
    sending.start()
    counts.executed(4)
    assert becomes(lambda: sent[metrics.MODEL_ROWS.name], 4) == 4
    counts.executed(3)
    sending.close()
    assert sent == {metrics.MODEL_EXECUTIONS.name: 2, metrics.MODEL_ROWS.name: 7}


def test_a_count_that_cannot_be_sent_stops_no_other():
    counts, rows = Counts("intent", "1"), list[float]()

    def increment(series: Series, value: float) -> None:
        if series.family == metrics.MODEL_EXECUTIONS.name:
            raise RuntimeError("the server is gone")
        rows.append(value)

    sending = Sending(counts, increment, every_s=0)
    sending.start()
    counts.executed(4)
    assert becomes(lambda: rows, [4]) == [4]
    sending.close()
    assert not any(thread.name == "metrics" for thread in threading.enumerate())
