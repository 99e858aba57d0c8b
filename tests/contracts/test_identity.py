import pytest

from conch.contracts.identity import Identity

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(("flags", "sampled"), [("01", True), ("03", True), ("00", False), ("02", False)])
def test_a_span_is_wanted_where_the_caller_s_is_kept(flags, sampled):
    assert Identity(traceparent=f"00-{TRACE}-b7ad6b7169203331-{flags}").sampled is sampled
    assert not Identity().sampled


@pytest.mark.parametrize(
    ("traceparent", "trace_id"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", TRACE),
        ("", ""),
        (f"00-{TRACE}", ""),
        (f"00-{TRACE}-b7ad6b7169203331-01\nforged line", ""),
    ],
    ids=["whole", "none", "cut short", "with a line of its own"],
)
def test_the_trace_s_id_is_read_where_there_is_one(traceparent, trace_id):
    assert Identity(traceparent=traceparent).trace_id == trace_id
