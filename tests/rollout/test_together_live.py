"""A real Triton, two models that fit each other by their versions alone, and an ensemble that is asked all the time."""

import asyncio
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from conch.clients.inference import CallOptions
from conch.clients.triton import TritonInference
from conch.rollout.folders import Folders
from conch.rollout.publications import Publication
from conch.rollout.publisher import Publisher
from conch.rollout.server import TritonServer
from conch.rollout.signatures import sign
from conch.stack.serving import serving

CODE = """\
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        self.version = np.array([int(args["model_version"])], np.float32)

    def execute(self, requests):
        return [pb_utils.InferenceResponse([pb_utils.Tensor("VERSION", self.version)]) for _ in requests]
"""
CONFIG = """\
name: "{model}"
backend: "python"
input [{{ name: "X" data_type: TYPE_FP32 dims: [1] }}]
output [{{ name: "VERSION" data_type: TYPE_FP32 dims: [1] }}]
parameters [{{ key: "example" value: {{ string_value: '{{"X": [1]}}' }} }}]
"""
BUILT_WITH = 'parameters [{{ key: "built_with" value: {{ string_value: "words {version}" }} }}]\n'
ENSEMBLE = """\
name: "search"
platform: "ensemble"
input [{ name: "X" data_type: TYPE_FP32 dims: [1] }]
output [{ name: "WORDS" data_type: TYPE_FP32 dims: [1] }, { name: "INDEX" data_type: TYPE_FP32 dims: [1] }]
ensemble_scheduling { step [
  { model_name: "words" model_version: -1 input_map { key: "X" value: "X" }
    output_map { key: "VERSION" value: "WORDS" } },
  { model_name: "index" model_version: -1 input_map { key: "X" value: "WORDS" }
    output_map { key: "VERSION" value: "INDEX" } }
] }
"""


def version_of(root: Path, key: Path, model: str, number: int) -> Publication:
    folder = root / "new" / model / str(number)
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(CODE)
    config = CONFIG.format(model=model) + (BUILT_WITH.format(version=number) if model == "index" else "")
    (folder / "config.pbtxt").write_text(config)
    (root / "rollout.toml").write_text(f'trusted_keys = ["{sign(folder, key)}"]\n')
    return Publication(model, folder)


async def test_callers_of_an_ensemble_get_old_with_old_and_then_new_with_new(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    ensemble = tmp_path / "live/ensembles/search"
    answers: list[list[int]] = []
    with serving(tmp_path, ["intent"], {}) as server:
        triton = TritonServer(server.http, server.grpc)
        publisher = Publisher(Folders(tmp_path), triton)
        await publisher.publish(version_of(tmp_path, key, "words", 1))
        await publisher.publish(version_of(tmp_path, key, "index", 1))
        (ensemble / "1").mkdir(parents=True)
        (ensemble / "config.pbtxt").write_text(ENSEMBLE)
        await triton.load("search", 60.0)

        async with TritonInference(server.grpc) as inference, asyncio.TaskGroup() as tasks:

            async def ask() -> None:
                while True:
                    found = await inference.infer(
                        "search", {"X": np.ones(1, np.float32)}, call=CallOptions(deadline_s=60)
                    )
                    answers.append([int(found["WORDS"][0]), int(found["INDEX"][0])])
                    await asyncio.sleep(0.005)

            async def goes_on() -> None:
                wanted = len(answers) + 10
                while len(answers) < wanted:  # noqa: ASYNC110 - it does not tell
                    await asyncio.sleep(0.01)

            asking = [tasks.create_task(ask()) for _ in range(3)]
            await goes_on()
            await publisher.publish_together([version_of(tmp_path, key, one, 2) for one in ("words", "index")])
            await goes_on()
            for task in asking:
                task.cancel()
    assert (ensemble / "config.pbtxt").read_text() == ENSEMBLE
    first_new = answers.index([2, 2])
    assert {tuple(one) for one in answers[:first_new]} == {(1, 1)}
    assert answers[-1] == [2, 2]
    assert {tuple(one) for one in answers} == {(1, 1), (2, 2)}
