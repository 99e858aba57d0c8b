"""What the checkout serves, held against its contracts: every config, every entry point, every ensemble."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import conch.models
from conch.contracts.specs import EXAMPLE_PARAMETER, MODELS
from conch.models.base import Model
from conch.rollout import model_configs
from tools import ensembles

ROOT = Path(__file__).parents[1]
REPOSITORY = ROOT / "model_repository"
ENSEMBLES = ROOT / "ensembles"
MODEL_NAMES = sorted(path.parent.name for path in REPOSITORY.glob("*/config.pbtxt"))
ENSEMBLE_NAMES = sorted(path.parent.name for path in ENSEMBLES.glob("*/config.pbtxt"))

CONFIGS = {"cpu": ("config.pbtxt", "KIND_CPU"), "gpu": ("configs/gpu.pbtxt", "KIND_GPU")}


def model_classes() -> dict[str, type[Model]]:
    """By the name of the spec that the class has."""
    modules = [
        importlib.import_module(f"conch.models.{found.name}") for found in pkgutil.iter_modules(conch.models.__path__)
    ]
    classes = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Model) and value.__module__ == module.__name__
    }
    return {kind.spec.name: kind for kind in classes if hasattr(kind, "spec")}


def test_every_spec_is_served_and_everything_served_has_a_spec():
    assert set(MODEL_NAMES) == set(MODELS)


def test_models_and_ensembles_share_no_name():
    assert set(MODEL_NAMES) & set(ENSEMBLE_NAMES) == set()


@pytest.mark.parametrize("device", CONFIGS)
@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_model_s_config_says_what_its_spec_says(name, device):
    file, kind = CONFIGS[device]
    config = model_configs.parse(REPOSITORY / name / file)
    assert model_configs.findings(config, MODELS[name], kind) == []


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_model_s_entry_point_names_the_class_of_its_spec_and_nothing_more(name):
    kind = model_classes()[name]
    source = (REPOSITORY / name / "1" / "model.py").read_text()
    assert model_configs.entry_point_findings(source, kind.__module__, kind.__name__) == []
    assert kind.spec is MODELS[name]


@pytest.mark.parametrize("device", CONFIGS)
@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_parameter_of_a_config_is_one_that_some_model_reads(name, device):
    # A misspelt parameter would be ignored without a word.
    read = {
        node.value
        for path in (ROOT / "conch" / "models").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    config = model_configs.parse(REPOSITORY / name / CONFIGS[device][0])
    assert set(config.parameters) - read == {EXAMPLE_PARAMETER}


def test_nothing_of_ours_asks_for_triton_s_cache():
    # Its key is the inputs, whoever calls; it keeps refusals as good answers; and who asks for one output leaves that
    # one for all (tests/seeing/test_cache_live.py). A probe that it answers proves nothing.
    configs = [path for path in ROOT.glob("*/*/config.pbtxt") if path.parts[-3] in (REPOSITORY.name, ENSEMBLES.name)]
    configs += REPOSITORY.glob("*/configs/*.pbtxt")
    assert [str(path) for path in configs if model_configs.parse(path).response_cache.enable] == []
    assert len(configs) > len(MODEL_NAMES) + len(ENSEMBLE_NAMES)


@pytest.mark.parametrize("name", ENSEMBLE_NAMES)
def test_an_ensemble_s_maps_fit_its_steps(name):
    config = model_configs.parse(ENSEMBLES / name / "config.pbtxt")
    batches = {model: model_configs.parse(REPOSITORY / model / "config.pbtxt").max_batch_size for model in MODEL_NAMES}
    assert config.name == name
    assert ensembles.findings(config, MODELS, batches) == []


@pytest.mark.parametrize("name", ENSEMBLE_NAMES)
def test_an_ensemble_has_the_version_folder_that_triton_wants(name):
    # Git keeps no empty folder.
    assert (ENSEMBLES / name / "1" / ".gitkeep").is_file()
