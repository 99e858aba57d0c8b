"""One real Triton, callers who ask it all the time, and one fault after the other.

What each leaves behind is gone at the end: processes, their shared memory, candidates, a publishing half done.
"""

import asyncio
import contextlib
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from conch.contracts.errors import InvalidRequest, Unavailable
from conch.rollout.controller import Controller
from conch.rollout.folders import Folders
from conch.rollout.live_config import live_config
from conch.rollout.publications import Publication
from conch.rollout.publisher import Publisher
from conch.rollout.refusals import Busy, RefusedVersion, Wedged
from conch.rollout.servers import STACK, ServerAddress, ServerState
from conch.rollout.signatures import sign
from conch.rollout.trying_out import Deadlines
from conch.rollout.watching import QUIET_S, Watch
from conch.stack.serving import serving
from conch.stack.shm import SHM, prefix_of
from tests.rollout.loading import crowd_that_loads, write_spare
from tests.rollout.under_load import SHIPPED, Served, steady_load

PATIENCE_S = 90.0
STEPS = ("candidate loaded", "loaded", "recorded")
"""Of a publishing; all of them in test_publisher.py with a Triton in memory, and by night with a real one."""
SLOW = "import time\nclass TritonPythonModel:\n    def initialize(self, args):\n        time.sleep(4)\n"
CRASHING = "import os\nclass TritonPythonModel:\n    def execute(self, requests):\n        os._exit(1)\n"

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("faults")
    with serving(root, ["intent"], {}) as server:
        yield Served(Folders(root), server)


@pytest.fixture
def version(tmp_path: Path) -> Callable[..., Path]:
    """A version of its own; `code` is somebody's Python in the place of ours, signed and trusted."""

    def make(name: str, code: str = "") -> Path:
        folder = shutil.copytree(SHIPPED, tmp_path / name)
        (folder / "note.txt").write_text(name)
        if code:
            (folder / "model.py").write_text(code)
        return folder

    return make


async def until(condition: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends, what
        await asyncio.sleep(0.05)


def regions(served: Served) -> int:
    return len(list(SHM.glob(f"{prefix_of(served.folders.root)}*")))


async def all_is_well(served: Served) -> None:
    """The record, the server and the folders agree, and no process is left of what has gone."""
    await served.publisher.recover()
    record = served.folders.records.read("intent")
    assert record is not None
    assert (await served.triton.ready())["intent"] == list(record.serving)
    assert served.folders.candidates() == []
    assert served.folders.pending() is None
    assert not served.folders.staging.exists()
    wanted = 2 * len(record.serving)

    def only_those() -> bool:
        served.keep()
        return served.stubs() == {"intent": wanted}

    await until(only_those, f"{wanted} processes: {served.stubs()}")


class Crash(BaseException):
    """What nothing catches: as if the process had ended there."""


async def test_what_is_dropped_half_grows_or_is_named_strangely(served, version, caplog):
    repository, whole, now = served.folders.repository / "intent", version("dropped"), 0.0
    watch = Watch(served.folders, served.publisher, clock=lambda: now)

    async def stands_still(seconds: float = QUIET_S) -> None:
        nonlocal now
        await watch.step()
        now += seconds
        await watch.step()

    async with steady_load(served.server) as traffic:
        # A copy that stops half-way is refused, and taken when it goes on.
        (repository / "2").mkdir()
        for name in ("model.onnx", "manifest.json"):
            shutil.copy(whole / name, repository / "2")
        await stands_still()
        (refused,) = served.folders.quarantine.all()
        assert "no model.py" in refused.reason
        shutil.copytree(whole, repository / "2", dirs_exist_ok=True)
        await stands_still()
        assert champion(served) == 2

        # One that grows is not looked at before it stands still.
        shutil.copytree(whole, repository / "3", ignore=shutil.ignore_patterns("model.onnx"))
        content = (whole / "model.onnx").read_bytes()
        part = len(content) // 6
        with (repository / "3/model.onnx").open("wb") as file:
            for start in range(0, len(content), part):
                file.write(content[start : start + part])
                file.flush()
                await stands_still(QUIET_S * 0.9)
        assert champion(served) == 2
        await stands_still()
        assert champion(served) == 3
        assert served.folders.quarantine.all() == [refused]

        # Names that are no versions.
        names = ["0", "01", str(10**20)]
        for name in names:
            shutil.copytree(whole, repository / name)
        await stands_still()
        assert [name for name in names if f"intent/{name} is refused" in caplog.text] == names
        for name in names:
            shutil.rmtree(repository / name)

    assert traffic.errors == []
    assert champion(served) == 3
    await all_is_well(served)


def champion(served: Served) -> int:
    record = served.folders.records.read("intent")
    return record.champion if record else 0


@pytest.mark.parametrize("name", ["../intent", "..", "intent/..", "INTENT", "intent--candidate-9"])
async def test_a_name_that_leads_elsewhere_is_refused(served, version, name):
    with pytest.raises(InvalidRequest, match="no name of a model"):
        await served.publisher.publish(Publication(name, version("elsewhere")))


async def test_of_two_publishers_at_once_one_wins_and_the_other_is_told(served, version):
    async with steady_load(served.server) as traffic:
        publishing = [served.publisher.publish(Publication("intent", version(name))) for name in ("one", "other")]
        done = await asyncio.gather(*publishing, return_exceptions=True)
    (busy,) = [one for one in done if isinstance(one, BaseException)]
    assert isinstance(busy, Busy)
    assert traffic.errors == []
    await all_is_well(served)


@pytest.mark.parametrize("step", STEPS)
async def test_whoever_publishes_may_end_at_any_step(served, version, step):
    before = champion(served)

    def reached(now: str) -> None:
        if now == step:
            raise Crash

    async with steady_load(served.server, callers=1) as traffic:
        publisher = Publisher(served.folders, served.triton, reached=reached)
        with pytest.raises(Crash):
            await publisher.publish(Publication("intent", version(step.replace(" ", "_"))))
        await traffic.goes_on()
        await served.publisher.recover()
        await traffic.goes_on()
    assert traffic.errors == []
    assert champion(served) == before + (step == "recorded")
    await all_is_well(served)


async def test_whoever_looks_after_the_server_may_end_in_the_midst_of_it(served, version):
    """Every step of it is ended in test_controller_crashes.py, with Tritons in memory."""
    record = await served.publisher.publish(Publication("intent", version("looked after")))
    config = served.folders.live_models / "intent/config.pbtxt"
    wanted = config.read_text()
    servers = {ServerAddress(STACK, served.server.http, served.server.grpc): served.triton}

    def controller(last_step: str) -> Controller:
        def reached(now: str) -> None:
            if now == last_step:
                raise Crash

        return Controller(served.folders, servers, reached=reached)

    async with steady_load(served.server) as traffic:
        # Somebody loads by hand what the records do not say, and a candidate that nobody tries out.
        own = served.folders.configs("intent", record.champion)
        config.write_text(live_config(own, "", "intent", [record.champion]))
        await served.triton.load("intent", PATIENCE_S)
        config.write_text(wanted)
        candidate = served.folders.live_models / "intent--candidate-99"
        shutil.copytree(served.folders.version("intent", record.champion), candidate / "99")
        (candidate / "config.pbtxt").write_text(live_config(own, "", candidate.name, [99]))
        await served.triton.load(candidate.name, PATIENCE_S)
        for step in ("told", "unloaded", "loaded"):
            with pytest.raises(Crash):
                await controller(step).step()
            await traffic.goes_on()
        last = controller("")
        await last.step()
        assert [one.state for one in last.statuses] == [ServerState.CONVERGED]
        await traffic.goes_on()
    assert traffic.errors == []
    await all_is_well(served)


@contextlib.contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """The kernel refuses to write more to any file, to root as well: as a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_disk_that_is_full_is_nobody_s_fault_and_the_version_goes_live_when_there_is_room(served, version):
    new, refused = version("large"), served.folders.quarantine.all()
    async with steady_load(served.server) as traffic:
        with files_of_at_most(2**20), pytest.raises(Unavailable, match="File too large"):
            await served.publisher.publish(Publication("intent", new))
        assert served.folders.quarantine.all() == refused
        await all_is_well(served)
        record = await served.publisher.publish(Publication("intent", new))
    assert traffic.errors == []
    assert champion(served) == record.champion
    await all_is_well(served)


async def test_nothing_is_written_into_the_repository(served, version):
    """It may be a volume that is mounted read-only."""
    new = served.folders.repository / "intent" / str(champion(served) + 1)
    shutil.copytree(version("read_only"), new)
    before = stand_of(served.folders.repository)
    watch = Watch(served.folders, served.publisher, quiet_s=0.0)
    async with steady_load(served.server) as traffic:
        while champion(served) != int(new.name):
            await watch.step()
    assert stand_of(served.folders.repository) == before
    assert traffic.errors == []
    await all_is_well(served)


def stand_of(folder: Path) -> list[tuple[str, int, int]]:
    return sorted((str(path), path.stat().st_mtime_ns, path.stat().st_mode) for path in (folder, *folder.rglob("*")))


async def test_a_version_that_is_slow_to_load_or_ends_with_its_first_request_is_refused(served, version, tmp_path):
    pem = tmp_path / "key.pem"
    key = Ed25519PrivateKey.generate()
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    slow, crashing = version("slow", SLOW), version("crashing", CRASHING)
    trusted = {sign(folder, pem) for folder in (slow, crashing)}
    (served.folders.root / "rollout.toml").write_text(f"trusted_keys = {sorted(trusted)}\n")
    before = champion(served)
    async with steady_load(served.server) as traffic:
        hasty = Publisher(served.folders, served.triton, deadlines=Deadlines(load_s=2.0))
        with pytest.raises(Wedged, match="not loaded within 2 s"):
            await hasty.publish(Publication("intent", slow))
        with pytest.raises(RefusedVersion, match="does not answer a probe"):
            await served.publisher.publish(Publication("intent", crashing))
        while served.folders.candidates():  # until the slow load has ended
            await served.publisher.recover()
            await asyncio.sleep(0.2)
    assert traffic.errors == []
    assert champion(served) == before
    told = [one.reason for one in served.folders.quarantine.all()][-2:]
    assert ["not loaded within" in told[0], "probe" in told[1]] == [True, True]
    await all_is_well(served)


async def test_a_crowd_that_loads_and_unloads_a_model_leaves_the_champion_alone(served):
    write_spare(served.folders.live_models)
    before = regions(served)
    async with steady_load(served.server) as traffic:
        await crowd_that_loads(served.server, threads=8, times=3, at_once=1)
    assert traffic.errors == []
    shutil.rmtree(served.folders.live_models / "spare")
    await all_is_well(served)
    await until(lambda: regions(served) <= before, f"{regions(served)} regions of shared memory, {before} before")
