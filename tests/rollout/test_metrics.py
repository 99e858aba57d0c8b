import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from conch.rollout.metrics import serve_metrics
from conch.rollout.publications import Publication
from conch.rollout.refusals import RefusedVersion


@pytest.fixture
def samples(folders):
    port = serve_metrics(folders, "127.0.0.1", 0)

    def read():
        page = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        return {
            (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }

    return read


async def test_what_is_published_is_counted(samples, publisher, version):
    assert samples() == {
        ("conch_rollout_champion", "intent"): 1,
        ("conch_rollout_versions", "intent", "loaded"): 1,
        ("conch_rollout_versions", "intent", "unloaded"): 0,
        ("conch_rollout_versions", "intent", "quarantined"): 0,
    }
    for name in ("second", "third"):
        await publisher.publish(Publication("intent", version(name)))
    with pytest.raises(RefusedVersion):
        await publisher.publish(Publication("intent", version("bad", "answer")))

    told = samples()
    assert told.pop(("conch_rollout_load_seconds", "intent")) >= 0
    assert told.pop(("conch_rollout_probe_seconds", "intent")) >= 0
    assert told == {
        ("conch_rollout_champion", "intent"): 3,
        ("conch_rollout_versions", "intent", "loaded"): 2,
        ("conch_rollout_versions", "intent", "unloaded"): 1,
        ("conch_rollout_versions", "intent", "quarantined"): 1,
        ("conch_rollout_actions_total", "promoted", "intent"): 2,
        ("conch_rollout_actions_total", "refused", "intent"): 1,
    }


async def test_what_is_healed_is_counted_by_model_and_server(samples, folders):
    for took_s in (1.5, 0.75):
        folders.journal.append("healed", "intent", None, server="triton", reason="has lost its stub", took_s=took_s)
    told = samples()
    assert told["conch_rollout_heals_total", "intent", "triton"] == 2
    assert told["conch_rollout_heal_seconds", "intent", "triton"] == 0.75
