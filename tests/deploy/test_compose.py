"""docker-compose.gpu.yml against the Compose schema, and against what it names."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema.validators import validator_for
from typer.testing import CliRunner

from conch.cli.main import app
from conch.contracts.events import EVENTS, FORGOTTEN
from conch.contracts.identity import FORWARDED_PATTERN
from conch.contracts.keys import ADDRESS_VARIABLE, CATALOGUES_VARIABLE, CQL_VARIABLE
from conch.stack.envoy import binary
from conch.stack.repository import ENSEMBLES, MODELS
from conch.stack.service import Site
from conch.stack.services.envoy import Envoy
from conch.stack.services.features import Features
from conch.stack.services.gateway import Gateway
from conch.stack.state import StateFolder
from conch.stack.triton import TritonInstallation
from gateway.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.gpu.yml"
HEAD = COMPOSE.read_text().partition("name: conch")[0]
OLDEST_TRITON = (26, 7)
"""The image that has 2.71: older ones can be ended by one large HTTP body."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return document


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def complaints(document: dict[str, Any]) -> list[str]:
    """Of the Compose schema."""
    schema = get_builtin_schema("vendor.compose-spec")
    return [error.message for error in validator_for(schema)(schema).iter_errors(document)]


def arguments(dockerfile: Path) -> set[str]:
    return set(re.findall(r"^ARG (\w+)", dockerfile.read_text(), re.MULTILINE))


def test_it_is_what_compose_reads(compose):
    assert complaints(compose) == []


def test_the_schema_would_tell(compose):
    assert complaints(compose | {"services": {"triton": {"image": 1}}})
    assert complaints(compose | {"services": {"triton": {"comand": "tritonserver"}}})


def test_what_is_built_is_there_and_takes_its_arguments(services):
    for name, service in services.items():
        if build := service.get("build"):
            dockerfile = ROOT / build["context"] / build["dockerfile"]
            assert dockerfile.is_file(), f"{name} is built from {dockerfile}"
            assert set(build["args"]) <= arguments(dockerfile), name
        else:
            built = {one["image"] for one in services.values() if "build" in one}
            assert ":" in service["image"] or service["image"] in built, f"{name} must name a version"


def test_what_is_mounted_is_there(compose, services):
    for name, service in services.items():
        for mount in service.get("volumes", []):
            source, target = mount.rsplit(":", 1)
            if source.startswith("${CONCH_EDGE:?"):
                assert target == "${CONCH_EDGE}"
                continue
            assert target.startswith("/")
            known = (ROOT / source).exists() if source.startswith(".") else source in compose["volumes"]
            assert known, f"{name} mounts {source}"


def test_networks_and_dependencies_are_there(compose, services):
    for name, service in services.items():
        assert set(service["networks"]) <= set(compose["networks"]), name
        for needed in service.get("depends_on", {}):
            assert "healthcheck" in services[needed], f"{name} waits until {needed} is healthy"


def test_triton_is_new_enough(services):
    image = services["triton"]["build"]["args"]["TRITON_IMAGE"]
    version = re.fullmatch(r"nvcr\.io/nvidia/tritonserver:(\d+)\.(\d+)-py3", image)
    assert version
    assert tuple(int(part) for part in version.groups()) >= OLDEST_TRITON


def test_tritonserver_knows_every_argument(services, tmp_path):
    installation = TritonInstallation.prepare(tmp_path)
    told = subprocess.run(
        [str(installation.server), "--help"], env=installation.environment({}), capture_output=True, text=True
    )
    server, *given = services["triton"]["command"]

    assert server == "tritonserver"
    known = set(re.findall(r"--[\w-]+", told.stdout + told.stderr))
    assert {argument.split("=")[0] for argument in given} - known == set()


def test_triton_reads_what_its_image_holds(services):
    command = services["triton"]["command"]
    dockerfile = (ROOT / services["triton"]["build"]["dockerfile"]).read_text()
    ((folder, configs),) = re.findall(r"^RUN python3 \S+/fill_repository\.py (\S+) (\S+)", dockerfile, re.MULTILINE)

    repositories = [argument.split("=")[1] for argument in command if argument.startswith("--model-repository=")]
    assert repositories == [f"{folder}/live/{MODELS}", f"{folder}/live/{ENSEMBLES}"]
    assert f"--model-config-name={configs}" in command
    assert "--model-control-mode=explicit" in command


def test_identity_is_forwarded_as_the_models_read_it(services):
    command = services["triton"]["command"]
    assert f"--grpc-header-forward-pattern={FORWARDED_PATTERN}" in command
    assert f"--http-header-forward-pattern={FORWARDED_PATTERN}" in command


def test_only_the_edge_is_published_and_only_it_is_outside(compose, services):
    assert [name for name, service in services.items() if "ports" in service] == ["edge"]
    assert [name for name, service in services.items() if "outside" in service["networks"]] == ["edge"]
    assert compose["networks"]["inside"] == {"internal": True}
    faces = [port for face, port in Envoy.ports.items() if face != "internal"]
    assert services["edge"]["ports"] == [f"${{CONCH_BIND:-127.0.0.1}}:{port}:{port}" for port in faces]


def test_the_edge_is_rendered_for_these_services_as_the_head_says(services, tmp_path):
    told = re.search(r"conch (edge render .*?)\)", HEAD, re.DOTALL)
    (exposure,) = re.findall(r"printf '(.*)'", HEAD)
    assert told
    words = told[1].replace("\\\n#", "").replace("--state state", f"--state {tmp_path}").split()
    (tmp_path / "edge.toml").write_text(exposure.replace("\\n", "\n"))
    cli = CliRunner()
    assert cli.invoke(app, ["keys", "create", "--state", str(tmp_path)]).exit_code == 0

    rendered = cli.invoke(app, words)

    assert rendered.exit_code == 0, rendered.output
    folder = Path(rendered.stdout.strip())
    command = [word.replace("${CONCH_EDGE}", str(folder)) for word in services["edge"]["command"]]
    validated = subprocess.run([binary(), "--mode", "validate", *command], capture_output=True, text=True)
    assert validated.returncode == 0, validated.stderr
    hosts = set(re.findall(r'"address": "(\w+)"', (folder / "discovery/clusters.json").read_text()))
    assert hosts == {"triton", "gateway"}


def test_the_edges_image_is_the_envoy_that_is_tested(services):
    version = subprocess.run([binary(), "--version"], capture_output=True, text=True).stdout
    (number,) = re.findall(r"/(\d+\.\d+\.\d+)/", version)
    assert services["edge"]["image"] == f"envoyproxy/envoy:v{number}"


def test_the_gateway_reads_every_setting_it_is_given(services):
    settings = {f"CONCH_GATEWAY_{name.upper()}": field for name, field in Settings.model_fields.items()}
    given = services["gateway"]["environment"]

    assert set(given) - {CQL_VARIABLE} <= set(settings)
    (default,) = re.findall(r"\$\{CONCH_GATEWAY_PROCESSES:-(\d+)\}", given["CONCH_GATEWAY_PROCESSES"])
    assert Settings(processes=int(default), triton_address=given["CONCH_GATEWAY_TRITON_ADDRESS"])
    assert set(services["gateway"]["expose"]) == {
        given[f"CONCH_GATEWAY_{face}_ADDRESS"].rpartition(":")[2] for face in ("GRPC", "HTTP")
    }


def test_metrics_and_quotas_are_where_their_servers_are(services):
    asked = json.loads(services["gateway"]["environment"]["CONCH_GATEWAY_SCRAPE_TRITONS"])
    asked.append(services["triton"]["environment"][ADDRESS_VARIABLE])
    for host, _, port in (address.partition(":") for address in asked):
        assert port in services[host]["expose"]


@pytest.fixture
def site(tmp_path):
    """Of a stack on one machine."""
    faces = ("grpc", "http", "internal", "metrics", "redis", "kafka")
    names = ("edge", "features", "gateway", "kafka", "redis", "rollout", "triton")
    addresses = {name: dict.fromkeys(faces, f"127.0.0.1:{1 + place}") for place, name in enumerate(names)}
    return Site(StateFolder(tmp_path), addresses=addresses)


def test_recommendation_is_told_of_its_stores_as_conch_up_tells_it(services, site):
    up = Gateway().launch(site).environment
    given = services["gateway"]["environment"]
    own = {f"CONCH_GATEWAY_{name}" for name in ("CATALOGUES", "REDIS_ADDRESS", "EVENTS_ADDRESS")}
    assert own <= set(up) & set(given)
    models = services["triton"]["environment"]
    assert set(models) == {ADDRESS_VARIABLE, CATALOGUES_VARIABLE, CQL_VARIABLE}
    assert models[CATALOGUES_VARIABLE] == given["CONCH_GATEWAY_CATALOGUES"]
    assert models[ADDRESS_VARIABLE] == given["CONCH_GATEWAY_REDIS_ADDRESS"]
    for address in (given["CONCH_GATEWAY_EVENTS_ADDRESS"], given["CONCH_GATEWAY_REDIS_ADDRESS"]):
        host, _, port = address.partition(":")
        assert port in services[host]["expose"]
    for name in ("triton", "gateway", "features"):
        assert "catalogues:/state/catalogues" in services[name]["volumes"], name
        assert services[name]["environment"][CQL_VARIABLE] == "${CONCH_CQL:-}", name


def test_features_are_kept_by_the_models_own_image_with_the_arguments_of_conch_up(services, site):
    features, triton = services["features"], services["triton"]
    assert features["image"] == triton["image"]
    _, *module = Features().launch(site).command
    assert features["entrypoint"] == ["python3", *module[:2]]
    catalogues, redis, heartbeat = features["command"]
    assert len(module[2:]) == 3
    assert catalogues == triton["environment"][CATALOGUES_VARIABLE]
    assert catalogues == f"{features['environment']['CONCH_STATE']}/{Path(module[2]).name}"
    assert redis == triton["environment"][ADDRESS_VARIABLE]
    assert heartbeat in features["healthcheck"]["test"][-1]


def test_topics_are_those_of_the_contract(services):
    (script,) = services["topics"]["command"]
    assert re.findall(r"--topic (\S+)", script) == [EVENTS, FORGOTTEN]
    assert "compact" in script.partition(FORGOTTEN)[2]
    # With more than 30 days the log would have who is forgotten for longer than is told.
    assert services["kafka"]["environment"]["KAFKA_LOG_RETENTION_HOURS"] <= 30 * 24


ONLY = """
import importlib.metadata, runpy, sys
distributions = importlib.metadata.packages_distributions()
locked = set({locked!r})
for top, names in distributions.items():
    if not {{name.lower().replace("_", "-") for name in names}} & locked and top not in ("conch", "gateway"):
        sys.modules[top] = None
sys.argv = {argv!r}
runpy.run_module("conch.cli.catalogue", run_name="__main__")
"""


def test_what_the_head_says_of_catalogues_runs_on_what_the_image_has(services):
    (told,) = re.findall(r"exec features python3 -m conch\.cli\.catalogue (\w+) --redis (\S+)", HEAD)
    command, redis = told
    assert redis == services["triton"]["environment"][ADDRESS_VARIABLE]
    lock = (ROOT / "requirements/gpu.lock").read_text()
    locked = [name.lower().replace("_", "-") for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)]
    script = ONLY.format(locked=locked, argv=["catalogue", command, "--help"])
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--redis" in done.stdout


def test_every_model_has_a_config_for_gpus():
    models = [folder for folder in (ROOT / "model_repository").iterdir() if (folder / "config.pbtxt").is_file()]
    assert [folder.name for folder in models if not (folder / "configs/gpu.pbtxt").is_file()] == []
