"""A real Triton under steady load, and versions of a small model that come and go."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest

from conch.clients.inference import CallOptions, text_column
from conch.clients.triton import TritonInference
from conch.contracts.errors import ConchError
from conch.rollout.folders import Folders
from conch.rollout.manifest import CHECKSUMS, FileManifest
from conch.rollout.publisher import Publication, Publisher
from conch.rollout.refusals import RefusedVersion
from conch.rollout.server import TritonServer
from conch.stack.processes import ProcessMark
from conch.stack.serving import Server, serving
from conch.stack.stubs import stubs_of

SHIPPED = Path(__file__).parents[2] / "model_repository/intent/1"


@dataclass
class Served:
    folders: Folders
    server: Server

    @property
    def triton(self) -> TritonServer:
        return TritonServer(self.server.http, self.server.grpc)

    def processes(self, version: int) -> set[int]:
        """Stubs of that version of intent."""
        marks = stubs_of(ProcessMark.of_child(self.server.process.pid))
        at = f"live/models/intent/{version}/model.py"
        return {mark.pid for mark in marks if at in Path(f"/proc/{mark.pid}/cmdline").read_text()}

    @property
    def publisher(self) -> Publisher:
        return Publisher(self.folders, self.triton)


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


@dataclass
class Traffic:
    answers: int = 0
    errors: list[str] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def goes_on(self) -> None:
        """Until one more request has been answered, or has failed."""
        self.answered.clear()
        await self.answered.wait()


@contextlib.asynccontextmanager
async def steady_load(server: Server, callers: int = 2) -> AsyncIterator[Traffic]:
    """Callers who name no version; at the end each has been answered again."""
    traffic, stop = Traffic(), asyncio.Event()

    async def call(inference: TritonInference) -> None:
        while not stop.is_set():
            try:
                answer = await inference.infer(
                    "intent", {"text": text_column("call John")}, call=CallOptions(deadline_s=60)
                )
                assert answer["intent"].tolist() == [["DIAL_PERSON"]]
                traffic.answers += 1
            except (ConchError, AssertionError) as error:
                traffic.errors.append(repr(error))
            traffic.answered.set()
            # Leave the processor to the loads: what is counted is errors.
            await asyncio.sleep(0.01)

    async with TritonInference(server.grpc) as inference:
        async with asyncio.timeout(60):
            while not await inference.ready("intent"):  # a channel's first attempts may fail on a busy machine
                continue
        tasks = [asyncio.create_task(call(inference)) for _ in range(callers)]
        yield traffic
        stop.set()
        await asyncio.gather(*tasks)


async def test_a_promotion_starts_the_new_version_and_leaves_the_old_one_running(served, version):
    record = await served.publisher.publish(Publication("intent", version("first")))
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
