"""What is told of requests that a model has answered; a real collector takes the spans."""

import numpy as np
import pytest

from conch.contracts.errors import InvalidRequest
from conch.contracts.identity import Identity
from conch.tracing import NoSpans, OtlpSpans
from conch.triton.batching import Call
from conch.triton.counts import Counts
from conch.triton.watch import Moment, Watch, asked_by
from tests.seeing.collector import Collector, collecting

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def call(tenant: str, traceparent: str = "", rows: int = 1) -> Call:
    return Call({"pcm": np.zeros((rows, 16_000))}, Identity(tenant, "r1", traceparent))


def counted(counts: Counts, family: str) -> dict[str, float]:
    """By tenant."""
    return {dict(one.labels)["tenant"]: value for one, value in counts.take().items() if one.family == family}


def test_every_request_that_came_to_the_model_is_timed_by_its_tenant():
    counts = Counts("intent", "1")
    answers = [{}, InvalidRequest("no"), {}]
    Watch("intent", "1", counts, NoSpans()).answered(Moment(), [call("acme"), call("beta"), call("acme")], answers)
    assert counted(counts, "conch_model_request_seconds_count") == {"acme": 2, "beta": 1}


def test_audio_that_was_refused_is_not_heard():
    counts = Counts("whisper", "1")
    watch = Watch("whisper", "1", counts, NoSpans(), lambda inputs: 1000 * len(inputs["pcm"]))
    watch.answered(Moment(), [call("acme", rows=3), call("acme"), call("beta")], [{}, InvalidRequest("no"), {}])
    assert counted(counts, "conch_model_audio_seconds_total") == {"acme": 3.0, "beta": 1.0}


def spans_of(traceparent: str) -> Collector:
    with collecting() as collector:
        spans = OtlpSpans(f"http://{collector.grpc}", "conch-models")
        watch = Watch("intent", "2", Counts("intent", "2"), spans)
        answers = [{}, InvalidRequest("a caller's words")]
        watch.answered(Moment(), [call("acme", traceparent, rows=4), call("beta", traceparent)], answers)
        watch.close()
        return collector


def test_a_request_is_a_span_of_the_trace_that_asked_for_it():
    good, bad = spans_of(f"00-{TRACE}-{PARENT}-01").spans
    assert (good.service, good.name, good.trace_id, good.parent_id) == ("conch-models", "model intent", TRACE, PARENT)
    assert good.attributes == {
        "conch.model": "intent",
        "conch.model.version": "2",
        "conch.tenant": "acme",
        "conch.request_id": "r1",
        "conch.rows": "4",
        "conch.batch.requests": "2",
    }
    assert (good.failed, bad.failed) == (False, True)
    assert "a caller's words" not in bad.text


@pytest.mark.parametrize("traceparent", ["", f"00-{TRACE}-{PARENT}-00"], ids=["a probe", "not sampled"])
def test_nobody_is_told_of_what_nobody_traces(traceparent):
    assert spans_of(traceparent).spans == []


@pytest.mark.parametrize(
    ("context", "traceparent"),
    [(None, "outer"), ("", "outer"), ("{}", "outer"), ('{"traceparent":"inner","tracestate":""}', "inner")],
    ids=["Triton does not trace", "empty", "nothing in it", "Triton's span"],
)
def test_triton_s_own_span_is_the_parent_where_it_has_one(context, traceparent):
    assert asked_by(Identity("acme", "r1", "outer"), context) == Identity("acme", "r1", traceparent)
