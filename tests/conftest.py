"""What tests share: verified weights, speech made by Piper, and real Tritons that serve our models."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from conch.stack.serving import Server
from conch.stack.serving import serving as serve
from conch.weights.cache import verified_weights
from tests.workers import longest_first
from tests.workers import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler

if TYPE_CHECKING:
    from tests.made_up_shop import ShopStack

Speech = npt.NDArray[np.int16]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In CI a test of real servers that fails is run once more, and told as RERUN with what it said: a machine that is
    shared may stop a process for longer than any patience. By hand it fails at once."""
    longest_first(items)
    if "CI" in os.environ:
        for item in items:
            if item.path.stem.endswith("_live"):
                item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for report in terminalreporter.stats.get("rerun", []):
        terminalreporter.section(f"RERUN {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`weights("whisper")` is a folder like the model's version folder: its weights, and what the checkout commits."""
    folders: dict[str, Path] = {}

    def folder(model: str) -> Path:
        if model not in folders:
            folders[model] = tmp_path_factory.mktemp(model)
            for name, path in verified_weights([model]).get(f"{model}/1", {}).items():
                (folders[model] / name).symlink_to(path)
            committed = Path(__file__).parents[1] / "model_repository" / model / "1"
            for path in committed.iterdir() if committed.is_dir() else ():
                if path.suffix != ".py":
                    (folders[model] / path.name).symlink_to(path)
        return folders[model]

    return folder


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """`serving("whisper", "vad")` is a real tritonserver with these models or ensembles, kept for the whole run."""
    servers: dict[frozenset[str], Server] = {}
    with contextlib.ExitStack() as running:

        def start(*names: str) -> Server:
            key = frozenset(names)
            if key not in servers:
                folder = tmp_path_factory.mktemp("triton")
                servers[key] = running.enter_context(serve(folder, key, verified_weights(key)))
            return servers[key]

        yield start


@pytest.fixture(scope="session")
def shop_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator["ShopStack"]:
    """A made-up catalogue in a real Redis, for the whole run: who changes it makes an own one, by `made_up_shop`."""
    from tests.made_up_shop import kept_young, made_up_shop

    with made_up_shop(tmp_path_factory.mktemp("shop")) as stack, kept_young(stack):
        yield stack


@pytest.fixture(scope="session")
def spoken(weights: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Speech]:
    """`spoken("Call John.")` is Piper's speech of it, the same every time: 16 kHz mono, 16 bit."""
    import soxr

    from conch.models.base import ModelContext, Row, strings
    from conch.models.piper import Piper

    piper = Piper.load(ModelContext(_without_noise(weights("piper"), tmp_path_factory.mktemp("voice"))))
    made: dict[str, Speech] = {}

    def speech(text: str) -> Speech:
        if text not in made:
            sentences = list(piper.stream(Row({"text": strings([text])})))
            pcm = np.concatenate([sentence["pcm16"] for sentence in sentences])
            rate = int(sentences[0]["sample_rate"].item())
            made[text] = soxr.resample(pcm, rate, 16_000, quality="HQ")
        return made[text]

    return speech


def _without_noise(voice: Path, folder: Path) -> Path:
    """A copy of a voice that draws no random numbers, so that no test depends on them."""
    config = json.loads((voice / "voice.onnx.json").read_text(encoding="utf-8"))
    config["inference"] |= {"noise_scale": 0.0, "noise_w": 0.0}
    (folder / "voice.onnx.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "voice.onnx").symlink_to(voice / "voice.onnx")
    return folder
