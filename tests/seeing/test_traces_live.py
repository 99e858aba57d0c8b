"""One call is one trace, from the edge to the python models; what callers write is nowhere in it."""

import json

from tests.seeing.conftest import SECRET, Watched
from tests.settling import becomes

REQUEST_ID = "x-conch-request-id"

TRITON = {"InferRequest", "compute"}
UNDERSTOOD = {"edge gateway.http", "Understand", "infer intent", *TRITON, "intent", "model intent"}


def test_a_call_of_ours_is_one_trace(watched: Watched) -> None:
    spans = watched.trace(lambda: watched.understand().headers[REQUEST_ID], UNDERSTOOD)
    assert len({span.trace_id for span in spans.values()}) == 1
    parents = {name: span.parent_id for name, span in spans.items()}
    assert parents == {
        "edge gateway.http": "",
        "Understand": spans["edge gateway.http"].span_id,
        "infer intent": spans["Understand"].span_id,
        "InferRequest": spans["infer intent"].span_id,
        "intent": spans["InferRequest"].span_id,
        "compute": spans["intent"].span_id,
        "model intent": spans["intent"].span_id,
    }
    assert {span.service for span in spans.values()} == {"conch-edge", "conch-gateway", "conch-triton", "conch-models"}
    assert spans["model intent"].attributes["conch.tenant"] == "default"


def test_a_call_straight_to_an_ensemble_is_one_trace_with_every_step(watched: Watched) -> None:
    steps = {"voice_command", "whisper", "intent", "model whisper", "model intent"}
    spans = watched.trace(watched.voice_command, {"edge kserve.infer", *TRITON, *steps})
    assert len({span.trace_id for span in spans.values()}) == 1
    assert spans["InferRequest"].parent_id == spans["edge kserve.infer"].span_id
    assert spans["voice_command"].parent_id == spans["InferRequest"].span_id
    for step in ("whisper", "intent"):
        assert spans[step].parent_id == spans["voice_command"].span_id
        assert spans[f"model {step}"].parent_id == spans[step].span_id


def test_a_caller_cannot_choose_its_trace(watched: Watched) -> None:
    forged = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{forged}-b7ad6b7169203331-00", "tracestate": f"a={SECRET}"}
    spans = watched.trace(lambda: watched.understand(**headers).headers[REQUEST_ID], UNDERSTOOD)
    assert forged not in {span.trace_id for span in spans.values()}


def test_log_lines_carry_the_trace_s_id(watched: Watched) -> None:
    refused = []

    def ask() -> str:
        refused.append(watched.understand("").headers[REQUEST_ID])
        return refused[-1]

    spans = watched.trace(ask, {"edge gateway.http", "Understand"})
    request_id = refused[-1]
    trace_id = spans["Understand"].trace_id
    assert spans["Understand"].failed
    assert f"request_id={request_id} trace_id={trace_id} " in watched.front.gateway_log.read_text()

    def lines() -> list[str]:
        log = watched.front.edge.log.read_text()
        return [json.loads(line)["trace_id"] for line in log.splitlines() if request_id in line]

    assert becomes(lines, [trace_id]) == [trace_id]


def test_a_caller_s_words_are_in_no_span_no_log_and_no_metric(watched: Watched) -> None:
    headers = dict.fromkeys(("user_agent", "x_request_id", "cookie", "x_api_key"), SECRET)

    def ask() -> str:
        answer = watched.understand(f"call {SECRET}", authorization=f"Bearer {SECRET}", **headers)
        assert answer.status_code == 200
        return answer.headers[REQUEST_ID]

    watched.trace(ask, UNDERSTOOD)
    assert [span.name for span in watched.collector.spans if SECRET in span.text] == []
    logs = (watched.front.gateway_log, watched.front.triton_log, watched.front.edge.log)
    assert [log.name for log in logs if SECRET in log.read_text()] == []
    assert SECRET not in watched.metrics
