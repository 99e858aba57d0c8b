import pytest

from conch.tracing import NoSpans, OtlpSpans, Spans, spans_to
from tests.seeing.collector import collecting


def test_without_a_collector_a_context_passes_unchanged():
    spans = spans_to("", "conch-gateway")
    span = spans.start("call", "00-whatever")
    span.end("Internal")
    assert (isinstance(spans, NoSpans), spans.active, span.traceparent) == (True, False, "00-whatever")


def test_a_span_is_its_children_s_parent():
    with collecting() as collector:
        spans: Spans = OtlpSpans(f"http://{collector.grpc}", "conch-gateway")
        outer = spans.start("call", "", kind="server")
        inner = spans.start("infer", outer.traceparent, kind="client")
        inner.end("Unavailable")
        outer.end()
        spans.close()
    told = {span.name: span for span in collector.spans}
    assert told["call"].parent_id == ""
    assert (told["infer"].trace_id, told["infer"].parent_id) == (told["call"].trace_id, told["call"].span_id)
    assert (told["call"].failed, told["infer"].failed) == (False, True)


@pytest.mark.timeout(60)
def test_a_collector_that_is_away_stops_neither_work_nor_the_end():
    spans = spans_to("http://127.0.0.1:1", "conch-gateway")
    for _ in range(5000):  # more than may wait
        spans.start("call", "").end()
    spans.close()
