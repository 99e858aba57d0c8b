"""Two real Tritons behind a real edge, under load: what a controller does, and what callers notice of it."""

import shutil
from pathlib import Path

import pytest

from conch.clients.triton_loads import LoadTimeout, TritonLoads
from conch.rollout.servers import ServerState
from conch.stack.stubs import Stubs
from tests.rollout.two_servers import CALLERS, under_load

SHIPPED = Path(__file__).parents[2] / "model_repository/intent/1"
BLOCKED = (
    "import threading\nclass TritonPythonModel:\n    def initialize(self, args):\n        threading.Event().wait()\n"
)
AWAY, CONVERGED, DRAINING = ServerState.AWAY, ServerState.CONVERGED, ServerState.DRAINING

pytestmark = pytest.mark.timeout(300)


async def wedge(site, triton, number, code):
    """One server is made to load a version that no check would let through."""
    folder = site.folders.live_models / f"intent--candidate-{number}"
    (folder / str(number)).mkdir(parents=True)
    shutil.copy(site.folders.live_models / "intent/config.pbtxt", folder)
    text = (folder / "config.pbtxt").read_text().replace("versions: 1", f"versions: {number}")
    (folder / "config.pbtxt").write_text(text.replace('name: "intent"', f'name: "{folder.name}"'))
    if code:
        (folder / str(number) / "model.py").write_text(code)
    with pytest.raises(LoadTimeout):
        await TritonLoads(triton.address.grpc).load(folder.name, 1.0)


async def test_servers_end_and_are_wedged_and_callers_notice_nothing_but_the_calls_that_ended_with_one(tmp_path):
    async with under_load(tmp_path) as site:
        first, second = site.tritons

        # A load that waits for its stub ends with it, and no server does.
        await wedge(site, second, 8, BLOCKED)
        await site.until(lambda: "stubs ended" in site.told("other"))
        await site.until(lambda: all(stub.model == "intent" for stub in stubs_of(second)))
        assert second.starts == 1

        # One that waits for nothing ends with its server alone, which gets no more calls before that.
        await site.until(lambda: first.regions() == first.mapped())
        ended, others = second.regions(), first.regions()
        await wedge(site, second, 9, "")
        await site.until(lambda: site.states()["other"] is DRAINING)
        await site.until(lambda: second.starts == 2 and site.converged())
        assert site.told("other")[-5:] == [
            "stubs ended",
            "wedged",
            "restart ordered",
            "server away",
            "server converged",
        ]
        assert site.traffic.errors == []
        # What the ended server's stubs left is swept, and nothing of the one that lives.
        assert ended
        await site.until(lambda: second.regions() == second.mapped())
        assert second.regions().isdisjoint(ended)
        assert first.regions() == first.mapped() == others

        # A server that is killed takes the calls with it that it had. What goes live meanwhile, it has when it is back.
        second.kept = False
        second.process.kill()
        await site.until(lambda: site.states()["other"] is AWAY)
        await site.goes_on()
        shutil.copytree(SHIPPED, site.folders.repository / "intent/2")
        (site.folders.repository / "intent/2/note.txt").write_text("new")
        await site.until(lambda: (record := site.folders.records.read("intent")) is not None and record.champion == 2)
        second.kept = True
        await site.until(site.converged)
        assert first.starts == 1

        # A controller that is killed is followed by the one that waits.
        lost = len(site.traffic.errors)
        # The killed server's kernel may have taken each caller's next call, too, while it ended.
        assert lost <= 2 * CALLERS
        waiting = site.start_controller()
        site.controllers[0].kill()
        shutil.copytree(SHIPPED, site.folders.repository / "intent/3")
        (site.folders.repository / "intent/3/note.txt").write_text("newer")
        await site.until(lambda: site.folders.records.read("intent").champion == 3)
        assert site.folders.heartbeat.read_text().strip() == str(waiting.pid)
        await site.goes_on()
        assert len(site.traffic.errors) == lost

        epochs = [line.evidence["epoch"] for line in site.folders.journal.lines() if "epoch" in line.evidence]
        assert epochs == sorted(epochs)


def stubs_of(triton):
    stubs = Stubs(triton.mark)
    stubs.refresh()
    return list(stubs._stubs.values())
