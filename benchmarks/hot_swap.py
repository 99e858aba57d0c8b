"""What callers notice of a model that is replaced again and again: by `conch publish`, by a folder that is dropped into
`repository/`, and by a folder that is moved into the repository of a Triton that polls.

    python -m benchmarks.hot_swap

Callers run in a process of their own, straight at Triton. A gap is the longest that nobody was answered.
"""

import asyncio
import contextlib
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.callers import Asked, Call, Callers, Span, largest_gap_ms, percentile_ms, within
from benchmarks.clips import spoken
from benchmarks.polling_triton import polling_triton
from conch.clients.inference import Arrays, text_column
from conch.clients.triton_http import TritonHttp
from conch.contracts.specs import SPEECH_RATE
from conch.rollout.folders import Folders
from conch.rollout.publications import Publication
from conch.rollout.publisher import Publisher
from conch.rollout.server import TritonServer, ready_versions
from conch.rollout.watching import Watch
from conch.stack.serving import Server, serving
from conch.weights.cache import verified_weights

RESULT = Path(__file__).parent / "results" / "hot_swap.json"
SMALL, LARGE = "intent", "whisper"
CALLERS = {SMALL: 4, LARGE: 1}
QUIET_S = 0.2
"""In the place of two seconds: a dropped folder is noticed sooner, and taken in as ever."""
LIVE_S = 60.0
SLOW_COPY_S = 4.0
AIMS = {"errors": 0, "largest_gap_ms": 100}
"""Of the small model."""

Swap = Callable[[Path, int], Awaitable[None]]
"""Put that folder live as that version."""


@dataclass(frozen=True, slots=True)
class Noticed:
    swaps: int
    calls: int
    errors: int
    first_error: str
    p50_before_ms: float
    p99_before_ms: float
    p99_during_ms: float
    p99_during_by_before: float
    largest_gap_before_ms: float
    largest_gap_ms: float
    live_s: float
    """Median, from the order to the version that answers."""


def main(
    swaps: Annotated[int, typer.Option(min=2, help="Of the small model, half by publish, half dropped.")] = 50,
    large_swaps: Annotated[int, typer.Option(min=0, help="Of Whisper, by publish and dropped each.")] = 3,
    polled_swaps: Annotated[int, typer.Option(min=2)] = 20,
    before_s: Annotated[float, typer.Option(min=1, help="How long is measured before the first swap.")] = 6.0,
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = RESULT,
) -> None:
    document: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "machine": platform.machine(), "load": round(os.getloadavg()[0], 2)},
        "aims": AIMS,
        SMALL: asyncio.run(_ours(SMALL, swaps // 2, before_s)),
    }
    document[SMALL]["polling Triton"] = asyncio.run(_polled(polled_swaps, before_s))
    document["copied for 4 s, file by file"] = {
        "conch": asyncio.run(_ours_copied_slowly()),
        "polling Triton": asyncio.run(_polled_copied_slowly()),
    }
    if large_swaps:
        document[LARGE] = asyncio.run(_ours(LARGE, large_swaps, before_s))
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(document, indent=1))


async def _ours(model: str, swaps: int, before_s: float) -> dict[str, Any]:
    with _conch(model) as site:
        return {
            "publish": asdict(await _noticed(site.server.grpc, model, site.version, site.publish, swaps, before_s)),
            "dropped folder": asdict(await _noticed(site.server.grpc, model, site.version, site.drop, swaps, before_s)),
        }


async def _noticed(address: str, model: str, version: Path, swap: Swap, swaps: int, before_s: float) -> Noticed:
    spans: list[Span] = []
    with Callers(Asked(address, model, inputs_of(model), CALLERS[model])) as callers:
        began = time.monotonic()
        await asyncio.sleep(before_s)
        before = Span(began + before_s / 4, time.monotonic())
        for _ in range(swaps):
            number = _next(version)
            began = time.monotonic()
            await swap(version, number)
            spans.append(Span(began, time.monotonic()))
        calls = callers.end()
    return _summary(calls, before, spans)


def inputs_of(model: str) -> Arrays:
    """Words: of silence or noise a recogniser makes short work."""
    if model == SMALL:
        return {"text": text_column("call John")}
    with tempfile.TemporaryDirectory() as voice:
        for name, path in verified_weights(["piper"])["piper/1"].items():
            (Path(voice) / name).symlink_to(path)
        clip = spoken(Path(voice), ["Please call John."])[0]
    return {"pcm16": clip.pcm16[np.newaxis], "sample_rate": np.array([[SPEECH_RATE]], np.int32)}


def _next(version: Path) -> int:
    """A version that was not there yet: its note tells its number."""
    note = version / "note.txt"
    number = int(note.read_text()) + 1
    note.write_text(str(number))
    return number


def _summary(calls: Sequence[Call], before: Span, spans: Sequence[Span]) -> Noticed:
    then, during = within(calls, [before]), within(calls, spans)
    errors = [call.error for call in calls if call.error]
    p99 = [percentile_ms(some, 99) for some in (then, during)]
    return Noticed(
        len(spans),
        len(calls),
        len(errors),
        errors[0] if errors else "",
        round(percentile_ms(then, 50), 2),
        round(p99[0], 2),
        round(p99[1], 2),
        round(p99[1] / p99[0], 2),
        round(largest_gap_ms(calls, [before]), 1),
        round(largest_gap_ms(calls, spans), 1),
        round(statistics.median(span.ended - span.began for span in spans), 2),
    )


@dataclass(frozen=True, slots=True)
class Site:
    folders: Folders
    server: Server
    model: str
    version: Path
    """What is published next."""

    @property
    def publisher(self) -> Publisher:
        return Publisher(self.folders, TritonServer(self.server.http, self.server.grpc))

    async def publish(self, version: Path, number: int) -> None:
        await self.publisher.publish(Publication(self.model, version, version=number))

    async def drop(self, version: Path, number: int) -> None:
        """As `cp -r`; the copy is of the same disk, so that what is measured is not the copying."""
        target = self.folders.repository / self.model / str(number)
        shutil.copytree(version, target)
        await self.goes_live(number)

    async def goes_live(self, number: int) -> None:
        watch, ends = Watch(self.folders, self.publisher, quiet_s=QUIET_S), time.monotonic() + LIVE_S
        while (record := self.folders.records.read(self.model)) is None or record.champion != number:
            if time.monotonic() > ends:
                raise TimeoutError(f"version {number} of {self.model} is not live after {LIVE_S} s")
            await watch.step()
            await asyncio.sleep(QUIET_S / 4)


@contextlib.contextmanager
def _conch(model: str) -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with serving(root, [model], verified_weights([model])) as server:
            version = _version(root / "repository" / model / "1", root / "new")
            yield Site(Folders(root), server, model, version)


def _version(shipped: Path, folder: Path) -> Path:
    shutil.copytree(shipped, folder)
    (folder / "note.txt").write_text("1")
    return folder


@contextlib.asynccontextmanager
async def _polling() -> Any:
    """A poller's address over HTTP and gRPC, its repository and what comes next."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with _conch(SMALL) as site:  # for a filled repository
            shutil.copytree(site.folders.live_models, root / "models")
            version = _version(site.version, root / "new")
        with polling_triton(root, root / "models") as addresses:
            yield addresses, root / "models" / SMALL, version


async def _polled(swaps: int, before_s: float) -> dict[str, Any]:
    async with _polling() as (addresses, repository, version):

        async def swap(version: Path, number: int) -> None:
            """Whole at once, as one has to."""
            shutil.copytree(version, repository.parent.parent / "whole")
            (repository.parent.parent / "whole").rename(repository / str(number))
            if not await _answers(addresses.http, number, LIVE_S):
                raise TimeoutError(f"version {number} is not live after {LIVE_S} s")

        return asdict(await _noticed(addresses.grpc, SMALL, version, swap, swaps, before_s))


async def _answers(http: str, number: int, within_s: float) -> bool:
    ends = time.monotonic() + within_s
    async with TritonHttp(http) as triton:
        while time.monotonic() < ends:
            if list(ready_versions(await triton.models()).get(SMALL, ())) == [number]:
                return True
            await asyncio.sleep(0.05)
    return False


async def _ours_copied_slowly() -> dict[str, Any]:
    with _conch(SMALL) as site, Callers(Asked(site.server.grpc, SMALL, inputs_of(SMALL))) as callers:
        target = site.folders.repository / SMALL / "2"
        copying = asyncio.create_task(_copy_slowly(site.version, target))
        watch = Watch(site.folders, site.publisher)
        while not copying.done():
            await watch.step()
            await asyncio.sleep(0.5)
        await site.goes_live(2)
        return _slowly(callers.end(), live=True)


async def _polled_copied_slowly() -> dict[str, Any]:
    async with _polling() as (addresses, repository, version):
        with Callers(Asked(addresses.grpc, SMALL, inputs_of(SMALL))) as callers:
            await _copy_slowly(version, repository / "2")
            return _slowly(callers.end(), live=await _answers(addresses.http, 2, 20.0))


def _slowly(calls: Sequence[Call], live: bool) -> dict[str, Any]:
    errors = [call.error for call in calls if call.error]
    return {"live": live, "calls": len(calls), "errors": len(errors), "first_error": errors[0] if errors else ""}


async def _copy_slowly(version: Path, target: Path) -> None:
    """The way of a slow disk or network: file by file, in the order of their names, as rsync does."""
    target.mkdir()  # noqa: ASYNC240 - nobody else needs this loop
    files = sorted(version.iterdir())  # noqa: ASYNC240
    for file in files:
        shutil.copy(file, target)
        await asyncio.sleep(SLOW_COPY_S / len(files))


if __name__ == "__main__":
    typer.run(main)
