"""How soon a killed python stub, or a killed Triton, is found and mended, and what Triton says of itself meanwhile.

    python -m benchmarks.heal

A stack of its own is under load. Found: the supervisor tells of it. Mended: the first call that is answered after the
last that was not. Beside the gateway's readiness, which inference proves, stands what Triton's own calls tell.
"""

import asyncio
import contextlib
import json
import os
import platform
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from benchmarks.callers import Asked, Call, Callers
from benchmarks.startup import Stack
from conch.clients.inference import text_column
from conch.rollout.journal import Journal
from conch.stack.failures import Patience
from conch.stack.processes import ProcessMark
from conch.stack.state import ServiceState
from conch.stack.stubs import stubs_of

RESULT = Path(__file__).parent / "results" / "heal.json"
MODEL = "intent"
INPUTS = {"text": text_column("call John")}
LOOK_S = 0.05
GIVE_UP_S = 90.0
REST_S = Patience().steady_s + 1.0
"""Before a kill: it is an accident, and none of several in a row, which are taken for a server that is unwell."""
STEADY_S = 2.0
"""Answers alone for so long: it is mended."""
AIMS = {"stub found within_s": 3.0}


@dataclass(frozen=True, slots=True)
class Asking:
    """Three who are asked whether the model is ready."""

    triton: str
    gateway: str

    def urls(self) -> dict[str, str]:
        return {
            "triton_says_not_ready": f"http://{self.triton}/v2/health/ready",
            "triton_says_model_not_ready": f"http://{self.triton}/v2/models/{MODEL}/ready",
            "gateway_says_not_ready": f"http://{self.gateway}/v2/health/ready",
        }


@dataclass(frozen=True, slots=True)
class Kill:
    """Seconds after the kill; None: it was never said, though calls failed."""

    found_s: float
    mended_s: float
    failed_calls: int
    told: dict[str, float | None]


def main(
    stub_kills: Annotated[int, typer.Option(min=1)] = 5,
    server_kills: Annotated[int, typer.Option(min=1)] = 3,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "state"
        stack = Stack(root)
        stack.conch("up", "--detach", "--only", "gateway,rollout")
        try:
            trial = Trial(root, stack)
            stubs = [asyncio.run(trial.kill(trial.stub(), trial.healed)) for _ in range(stub_kills)]
            servers = [asyncio.run(trial.kill(trial.server(), trial.restarted)) for _ in range(server_kills)]
        finally:
            stack.conch("down")
    document = {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine(), "load": round(os.getloadavg()[0], 2)},
        "aims": AIMS,
        "stub": summary(stubs),
        "server": summary(servers),
    }
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))


class Trial:
    def __init__(self, root: Path, stack: Stack) -> None:
        self._journal = Journal(root / "rollout" / "journal.jsonl")
        self._stack = stack

    def server(self) -> ProcessMark:
        mark = self._stack.status.services["triton"].mark
        if mark is None:
            raise RuntimeError("Triton does not run")
        return mark

    def stub(self) -> ProcessMark:
        """The newest: those that were replaced go on for a while."""
        return [mark for mark, stub in stubs_of(self.server()).items() if stub.model == MODEL][-1]

    def healed(self, since: float) -> float | None:
        """When the supervisor had found it, by the journal."""
        for line in self._journal.lines(MODEL):
            ended = datetime.fromisoformat(line.at).timestamp()
            if line.action == "healed" and ended > since:
                return ended - float(line.evidence["took_s"])
        return None

    def restarted(self, since: float) -> float | None:
        """When the supervisor calls Triton anything but ready."""
        ready = self._stack.status.services["triton"].state is ServiceState.READY
        return None if ready else max(since, time.time())

    async def kill(self, victim: ProcessMark, found: Callable[[float], float | None]) -> Kill:
        addresses = {name: one.addresses for name, one in self._stack.status.services.items()}
        asking = Asking(addresses["triton"]["http"], addresses["gateway"]["http"])
        with Callers(Asked(addresses["edge"]["grpc"], MODEL, INPUTS, callers=2)) as callers:
            await asyncio.sleep(REST_S)
            at, killed = time.time(), time.monotonic()
            os.kill(victim.pid, signal.SIGKILL)
            async with httpx.AsyncClient(timeout=5.0) as client:
                told: dict[str, float | None] = dict.fromkeys(asking.urls())
                found_at = await self._until_mended(client, asking, told, found, at)
            calls = callers.end()
        failed = [call for call in calls if call.error and call.done >= killed]
        return Kill(found_at - at, mended_at(calls, killed) - killed, len(failed), told)

    async def _until_mended(
        self,
        client: httpx.AsyncClient,
        asking: Asking,
        told: dict[str, float | None],
        found: Callable[[float], float | None],
        at: float,
    ) -> float:
        """When it was found; `told` learns who said when that it is not ready. Returns when all has been well."""
        found_at: float | None = None
        well_since = time.time()
        while found_at is None or time.time() - well_since < STEADY_S:
            if time.time() - at > GIVE_UP_S:
                raise RuntimeError(f"not mended within {GIVE_UP_S} s")
            well = self._stack.status.ready
            for name, url in asking.urls().items():
                if not await _is_ready(client, url):
                    well = False
                    told[name] = time.time() - at if told[name] is None else told[name]
            found_at = found(at) if found_at is None else found_at
            well_since = well_since if well and found_at is not None else time.time()
            await asyncio.sleep(LOOK_S)
        return found_at


async def _is_ready(client: httpx.AsyncClient, url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return (await client.get(url)).is_success
    return False


def mended_at(calls: Sequence[Call], killed: float) -> float:
    """The first answer to a call that was sent after the last that failed, or that took longer than any before."""
    usual = max((call.done - call.sent for call in calls if call.done < killed), default=0.0)
    bad = [call.done for call in calls if call.done >= killed and (call.error or call.done - call.sent > 3 * usual)]
    return min(call.done for call in calls if call.sent >= max(bad, default=killed) and not call.error)


def summary(kills: Sequence[Kill]) -> dict[str, Any]:
    """Medians and worst; of who told, the median of those times in which he did, and how often that was."""
    document: dict[str, Any] = {"kills": len(kills)}
    for name in ("found_s", "mended_s", "failed_calls"):
        values = [asdict(kill)[name] for kill in kills]
        document[name] = {"median": round(statistics.median(values), 2), "most": round(max(values), 2)}
    for name in kills[0].told:
        times = [told for kill in kills if (told := kill.told[name]) is not None]
        document[name] = {"of": len(times), "median_s": round(statistics.median(times), 2) if times else None}
    return document


if __name__ == "__main__":
    typer.run(main)
