"""At full size: what Triton's own tests do to it, and a publisher that is killed at every step, again and again."""

import asyncio
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from conch.rollout.folders import Folders
from conch.stack.processes import ProcessMark
from conch.stack.serving import serving
from conch.stack.shm import SHM, prefix_of
from tests.rollout.loading import crowd_that_loads, write_spare
from tests.rollout.test_publisher import STEPS
from tests.rollout.under_load import SHIPPED, Served, steady_load

THREADS, TIMES = 32, 1024
GROWN_MIB = 256
"""Of the server itself, after all of that: it keeps freed memory, and may not need ever more."""
PUBLISHER = """
import asyncio, os, signal, sys
from pathlib import Path
from conch.rollout.folders import Folders
from conch.rollout.publications import Publication
from conch.rollout.publisher import Publisher
from conch.rollout.server import TritonServer

root, http, grpc, path, last = sys.argv[1:]

def reached(step):
    if step == last:
        os.kill(os.getpid(), signal.SIGKILL)

publisher = Publisher(Folders(Path(root)), TritonServer(http, grpc), reached=reached)
asyncio.run(publisher.publish(Publication("intent", Path(path))))
"""

pytestmark = pytest.mark.timeout(8 * 3600)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    root = tmp_path_factory.mktemp("nightly")
    with serving(root, ["intent"], {}) as server:
        yield Served(Folders(root), server)


def resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def test_32_callers_load_and_unload_a_model_1024_times_each(served):
    write_spare(served.folders.live_models)
    pid = served.server.process.pid
    async with steady_load(served.server) as traffic:
        await crowd_that_loads(served.server, THREADS, 1, at_once=THREADS)
        before, regions = resident_mib(pid), len(list(SHM.glob(f"{prefix_of(served.folders.root)}*")))
        await crowd_that_loads(served.server, THREADS, TIMES - 1, at_once=THREADS)
    assert traffic.errors == []
    assert resident_mib(pid) - before < GROWN_MIB
    assert len(list(SHM.glob(f"{prefix_of(served.folders.root)}*"))) <= regions
    shutil.rmtree(served.folders.live_models / "spare")


@pytest.mark.parametrize("round_", range(5))
@pytest.mark.parametrize("step", STEPS)
async def test_a_publisher_that_is_killed_leaves_the_old_or_the_new(served, tmp_path, step, round_):
    new = shutil.copytree(SHIPPED, tmp_path / "new")
    (new / "note.txt").write_text(f"{step} {round_} {time.time()}")
    record = served.folders.records.read("intent")
    before = record.champion if record else 1
    server = served.server
    command = [sys.executable, "-c", PUBLISHER, str(served.folders.root), server.http, server.grpc, str(new), step]
    async with steady_load(server) as traffic:
        process = await asyncio.create_subprocess_exec(*command)
        while process.returncode is None:
            await traffic.goes_on()
        assert process.returncode == -signal.SIGKILL
        await served.publisher.recover()
        await traffic.goes_on()
    assert traffic.errors == []
    after = served.folders.records.read("intent")
    assert after is not None
    assert after.champion in (before, before + 1)
    assert (await served.triton.ready())["intent"] == list(after.serving)
    assert served.folders.candidates() == []
    assert served.folders.pending() is None
    assert ProcessMark.of(server.process.pid) is not None
