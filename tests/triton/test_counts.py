from conch.contracts import metrics
from conch.contracts.labels import MOST_TENANTS, OTHER
from conch.triton.counts import BOUNDS, Counts, Series


def told(counts: Counts) -> dict[tuple[str, ...], float]:
    """By family and the values of labels that are not the model's."""
    return {
        (series.family, *(value for _, value in series.labels[2:])): value for series, value in counts.take().items()
    }


def test_what_a_model_did_is_taken_once():
    counts = Counts("intent", "3")
    counts.executed(8)
    counts.executed(1)
    counts.refused("InvalidRequest")
    counts.uncounted(2)
    labels = (("model", "intent"), ("version", "3"))
    assert counts.take() == {
        Series(metrics.MODEL_EXECUTIONS.name, metrics.MODEL_EXECUTIONS.help, labels): 2,
        Series(metrics.MODEL_ROWS.name, metrics.MODEL_ROWS.help, labels): 9,
        Series(metrics.MODEL_REFUSED.name, metrics.MODEL_REFUSED.help, (*labels, ("reason", "InvalidRequest"))): 1,
        Series(metrics.MODEL_UNCOUNTED.name, metrics.MODEL_UNCOUNTED.help, labels): 2,
    }
    assert counts.take() == {}


def test_a_gauge_is_as_it_was_said_last():
    counts = Counts("candidates", "1")
    counts.add(metrics.MODEL_SNAPSHOT_WRITTEN, 100.0, tenant="acme")
    counts.add(metrics.MODEL_SNAPSHOT_WRITTEN, 160.5, tenant="acme")
    counts.add(metrics.MODEL_STALE_RELATIONS, 2)
    counts.add(metrics.MODEL_STALE_RELATIONS, 3)
    taken = counts.take()
    assert {(series.family, series.is_gauge): value for series, value in taken.items()} == {
        (metrics.MODEL_SNAPSHOT_WRITTEN.name, True): 160.5,
        (metrics.MODEL_STALE_RELATIONS.name, False): 5,
    }
    assert counts.take() == {}


def test_seconds_are_a_histogram_a_tenant():
    counts = Counts("intent", "1")
    counts.answered(["acme", "beta"], 0.002)  # a bound is in its own bucket
    counts.answered(["acme"], 1000.0)
    seen = told(counts)
    bucket, total = "conch_model_request_seconds_bucket", "conch_model_request_seconds_sum"
    assert [seen.get((bucket, "acme", bound), 0) for bound in BOUNDS] == [0, 0] + [1] * (len(BOUNDS) - 3) + [2]
    assert (seen[total, "acme"], seen[total, "beta"]) == (1000.002, 0.002)
    assert (seen["conch_model_request_seconds_count", "acme"], seen[bucket, "beta", "+Inf"]) == (2, 1)


def test_audio_is_counted_by_tenant():
    counts = Counts("whisper", "1")
    for tenant, seconds in (("acme", 1.5), ("beta", 2.0), ("acme", 0.25)):
        counts.heard(tenant, seconds)
    family = metrics.MODEL_AUDIO_SECONDS.name
    assert told(counts) == {(family, "acme"): 1.75, (family, "beta"): 2.0}


def test_a_wider_bucket_is_sent_before_those_within_it():
    counts = Counts("intent", "1")
    counts.answered(["acme"], 0.001)
    sent = [key[-1] for key in told(counts) if key[0].endswith("_bucket")]
    assert sent == [bound for bound in reversed(BOUNDS) if bound != "0.0005"]


def test_names_that_no_tenant_has_and_those_beyond_the_bound_share_one_label():
    counts = Counts("intent", "1")
    counts.answered(['a"} 1\nforged{x="', "", "UPPER"], 0.001)
    counts.answered([f"tenant{number}" for number in range(MOST_TENANTS + 50)], 0.001)
    counted = {key[1]: value for key, value in told(counts).items() if key[0].endswith("_count")}
    assert len(counted) == MOST_TENANTS + 1
    assert counted[OTHER] == 3 + 50
