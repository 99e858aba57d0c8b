"""What is dropped, changed, taken away or fetched, with the process that the stack starts and a real Triton."""

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from conch.clients.inference import CallOptions, text_column
from conch.clients.triton import TritonInference
from conch.rollout.folders import Folders
from conch.rollout.signatures import sign
from conch.stack.serving import serving
from tests.settling import becomes

SHIPPED = Path(__file__).parents[3] / "model_repository/intent"
WITHIN_S = 120

FOREIGN = """
import triton_python_backend_utils as pb_utils

from upper import upper


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            text = pb_utils.get_input_tensor_by_name(request, "text").as_numpy()
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor("loud", upper(text))]))
        return answers
"""
UPPER = """
import numpy as np


def upper(text):
    return np.array([one.decode().upper() for one in text.reshape(-1)], dtype=object).reshape(text.shape)
"""
FOREIGN_CONFIG = """
name: "loud"
backend: "python"
input [ { name: "text" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "loud" data_type: TYPE_STRING dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
parameters [ { key: "example" value: { string_value: '{"text": "hush"}' } } ]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A Triton with `intent`, whose folders the test shares."""
    root = tmp_path_factory.mktemp("site")
    with serving(root, ["intent"], {}) as server:
        yield Folders(root), server


@contextlib.contextmanager
def following(site):
    folders, server = site
    process = subprocess.Popen([sys.executable, "-m", "conch.rollout", str(folders.root), server.http, server.grpc])
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def told(folders, model):
    return [(line.action, line.version) for line in folders.journal.lines(model)]


def comes_to(folders, model, wanted):
    assert becomes(lambda: told(folders, model), wanted, within_s=WITHIN_S) == wanted


def config_of(model):
    return (SHIPPED / "config.pbtxt").read_text().replace('name: "intent"', f'name: "{model}"', 1)


def test_a_config_that_changes_a_model_that_is_new_and_one_that_is_taken_away(site):
    folders, _ = site
    with following(site):
        assert becomes((folders.rollout / "taken_up/repository.json").is_file, True, within_s=WITHIN_S)
        config = folders.repository / "intent/config.pbtxt"
        config.write_text(config.read_text().replace("max_batch_size: 64", "max_batch_size: 32"))
        shutil.copytree(SHIPPED / "1", folders.repository / "another/1")
        (folders.repository / "another/config.pbtxt").write_text(config_of("another"))
        comes_to(folders, "intent", [("promoted", 2)])
        comes_to(folders, "another", [("promoted", 1)])

        config.write_text(config.read_text().replace("TYPE_STRING", "TYPE_INT32", 1))
        comes_to(folders, "intent", [("promoted", 2), ("refused", 3)])
        shutil.rmtree(folders.repository / "another")
        comes_to(folders, "another", [("promoted", 1), ("removed", None)])
    assert not (folders.live_models / "another").exists()


def test_a_bucket_and_a_git_repository_are_sources(site, s3, tmp_path):
    folders, _ = site
    origin = tmp_path / "origin"
    shutil.copytree(SHIPPED / "1", origin / "models/from_git/1")
    (origin / "models/from_git/config.pbtxt").write_text(config_of("from_git"))
    who = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    for arguments in (["init", "--quiet", "--initial-branch=main"], ["add", "--all"], ["commit", "--quiet", "-mfirst"]):
        subprocess.run(["git", *who, *arguments], cwd=origin, check=True)
    s3.put("from_s3/config.pbtxt", config_of("from_s3").encode())
    for path in (SHIPPED / "1").iterdir():
        if path.is_file():
            s3.put(f"from_s3/1/{path.name}", path.read_bytes())
    s3.put("from_s3/2/note.txt", b"without a model.py")
    (folders.root / "rollout.toml").write_text(
        f'[sources.releases]\ns3 = "s3://models"\nendpoint = "{s3.endpoint}"\nregion = "us-east-1"\nevery_s = 1\n'
        f'[sources.checked-in]\ngit = "{origin}"\nref = "main"\nfolder = "models"\nevery_s = 1\n'
    )
    with following(site):
        comes_to(folders, "from_git", [("promoted", 1)])
        comes_to(folders, "from_s3", [("promoted", 1), ("refused", 2)])
    assert folders.records.read("from_git").champion == folders.records.read("from_s3").champion == 1


async def test_python_of_somebody_else_goes_live_where_a_trusted_key_has_signed_it(site, tmp_path):
    folders, server = site
    key = Ed25519PrivateKey.generate()
    pem = tmp_path / "key.pem"
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    version = tmp_path / "loud/1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(FOREIGN)
    (version / "upper.py").write_text(UPPER)
    (version.parent / "config.pbtxt").write_text(FOREIGN_CONFIG)

    with following(site):
        shutil.copytree(version.parent, folders.repository / "loud")
        comes_to(folders, "loud", [("refused", 1)])
        (folders.root / "rollout.toml").write_text(f'trusted_keys = ["{sign(version, pem)}"]\n')
        shutil.copytree(version, folders.repository / "loud/2")
        comes_to(folders, "loud", [("refused", 1), ("promoted", 2)])
        async with TritonInference(server.grpc) as inference:
            answer = await inference.infer("loud", {"text": text_column("hush")[0]}, call=CallOptions(deadline_s=30))
    assert answer["loud"].tolist() == ["HUSH"]
    (line,) = [line for line in folders.journal.lines("loud") if line.action == "promoted"]
    assert line.evidence["signed_by"]
