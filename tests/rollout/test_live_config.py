import pytest

from conch.clients.model_config import parse_config
from conch.rollout.live_config import candidate_config, keep_configs, live_config, write_live_config


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "configs").mkdir(parents=True)
    (folder / "config.pbtxt").write_text('name: "tiny" instance_group [ { kind: KIND_CPU } ]')
    (folder / "configs/gpu.pbtxt").write_text('name: "tiny" instance_group [ { kind: KIND_GPU } ]')
    return folder


@pytest.mark.parametrize(("config_name", "kind"), [("", "KIND_CPU"), ("gpu", "KIND_GPU"), ("tpu", "KIND_CPU")])
def test_the_config_is_the_one_that_the_server_prefers_with_the_versions_by_number(model, config_name, kind):
    config = parse_config(live_config(model, config_name, "tiny", [1, 3]))
    assert list(config.version_policy.specific.versions) == [1, 3]
    assert kind in str(config.instance_group)


def test_a_candidate_has_one_instance_of_each_group(model):
    (model / "config.pbtxt").write_text('name: "tiny" instance_group [ { kind: KIND_CPU count: 3 } ]')
    config = parse_config(candidate_config(model, "", "tiny--candidate-2", 2))
    assert (config.name, list(config.version_policy.specific.versions)) == ("tiny--candidate-2", [2])
    assert [group.count for group in config.instance_group] == [1]
    assert "count: 3" in live_config(model, "", "tiny", [2])


def test_a_promotion_changes_nothing_beside_config_pbtxt(model, tmp_path):
    own, live = tmp_path / "own", tmp_path / "live"
    (model / "probes.json").write_text("[]")
    keep_configs(model, own)
    live.mkdir()
    write_live_config(live, live_config(own, "", "tiny", [1]))
    write_live_config(live, live_config(own, "", "tiny", [1, 2]))

    assert [path.name for path in live.iterdir()] == ["config.pbtxt"]
