"""A real Triton under steady load, and versions of a small model that come and go."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from conch.rollout.folders import Folders
from conch.rollout.manifest import CHECKSUMS, FileManifest
from conch.rollout.publications import Publication
from conch.rollout.refusals import RefusedVersion
from conch.stack.serving import serving
from tests.rollout.under_load import SHIPPED, Served, steady_load


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all: its own is not shared, since versions come and go in it."""
    root = tmp_path_factory.mktemp("swaps")
    with serving(root, ["intent"], {}) as server:
        yield Served(Folders(root), server)


@pytest.fixture
def version(tmp_path: Path) -> Callable[[str], Path]:
    """A good version of its own, to be spoilt."""

    def make(name: str) -> Path:
        folder = shutil.copytree(SHIPPED, tmp_path / name)
        (folder / "note.txt").write_text(name)
        return folder

    return make


async def test_a_promotion_starts_the_new_version_and_leaves_the_old_one_running(served, version):
    shipped = served.processes(1)
    record = await served.publisher.publish(Publication("intent", version("first")))
    assert shipped
    assert served.processes(1) == shipped  # also at a model's first, whose configs/ only the checkout brings
    before = served.processes(record.champion)
    record = await served.publisher.publish(Publication("intent", version("second")))
    assert before
    assert served.processes(record.before[-1]) == before


async def test_ten_swaps_under_load_cost_no_request(served, version):
    first = version("swap")
    async with steady_load(served.server) as traffic:
        for number in range(5):
            (first / "note.txt").write_text(str(number))
            record = await served.publisher.publish(Publication("intent", first))
            assert (await served.triton.ready())["intent"] == list(record.serving)
            back = await served.publisher.roll_back("intent", record.before[-1])
            assert back.champion == record.before[-1]
            await traffic.goes_on()

    assert traffic.errors == []
    assert len(served.folders.journal.lines("intent")) >= 10


def without_model(folder: Path) -> None:
    (folder / "model.py").unlink()


def broken_syntax(folder: Path) -> None:
    (folder / "model.py").write_text("class TritonPythonModel(:\n")


def foreign(folder: Path) -> None:
    (folder / "model.py").write_text("import os\n" + (folder / "model.py").read_text())


def truncated(folder: Path) -> None:
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped_byte(folder: Path) -> None:
    FileManifest.of(folder).write(folder)
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 0x10
    (folder / "model.onnx").write_bytes(content)


def linked(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to("/etc/passwd")


def outside(folder: Path) -> None:
    (folder / CHECKSUMS).write_text('{"files": {"../1/model.onnx": {"sha256": "00", "size_bytes": 1}}}')


def pickled(folder: Path) -> None:
    (folder / "weights.pt").write_bytes(b"\x80\x04]q\x00.")


def classifier_times(folder: Path, factor: float) -> None:
    model = onnx.load(folder / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.name.startswith("classifier."):
            array = onnx.numpy_helper.to_array(tensor) * np.float16(factor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    onnx.save(model, folder / "model.onnx")


def not_numbers(folder: Path) -> None:
    classifier_times(folder, np.nan)


def wrong_answers(folder: Path) -> None:
    classifier_times(folder, -1.0)


def other_shapes(folder: Path) -> None:
    """A fourth class, which nobody's config knows."""
    model = onnx.load(folder / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.name.startswith("classifier."):
            array = onnx.numpy_helper.to_array(tensor)
            axis = array.shape.index(3)
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.repeat(array, [1, 1, 2], axis), tensor.name))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4
    onnx.save(model, folder / "model.onnx")


def other_names(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    for node in model.graph.node:
        node.output[:] = ["scores" if name == "logits" else name for name in node.output]
    model.graph.output[0].name = "scores"
    onnx.save(model, folder / "model.onnx")


def without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


BAD = {
    without_model: r"no model\.py",
    broken_syntax: "is not Python",
    foreign: "foreign Python",
    truncated: r"model\.onnx cannot be opened",
    flipped_byte: r"model\.onnx has sha256 .* says",
    linked: "symbolic link to /etc/passwd",
    outside: "outside the version",
    pickled: r"weights\.pt holds pickles",
    not_numbers: "values that are no numbers",
    wrong_answers: "output intent is",
    other_names: r"gives scores .* the version before gives logits",
    other_shapes: "the weights give 4 logits, the contract says 3",
    without_tokenizer: r"does not load.*tokenizer\.json",
}


async def test_bad_versions_are_refused_and_the_champion_answers_all_the_time(served, version):
    before = served.folders.live_versions("intent")
    champion = served.folders.records.read("intent")
    async with steady_load(served.server, callers=1) as traffic:
        for spoil, reason in BAD.items():
            folder = version(spoil.__name__)
            spoil(folder)
            with pytest.raises(RefusedVersion, match=reason):
                await served.publisher.publish(Publication("intent", folder))

    assert traffic.errors == []
    assert served.folders.live_versions("intent") == before
    assert champion is None or served.folders.records.read("intent") == champion
    assert served.folders.candidates() == []
    assert len(served.folders.quarantine.all()) == len(BAD)
