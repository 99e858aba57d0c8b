"""Versions in a git repository, at a branch, a tag or a commit: read as git keeps them, without a working tree.

So no filter and no hook of the repository runs here, and no link is followed. The git program is needed; how it
proves who we are (a helper, an agent, a token in the environment) is its own affair, but it asks nobody.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from conch.contracts.errors import Unavailable
from conch.rollout.sources.address import SourceAddress
from conch.rollout.sources.remote import Remote, RemoteFile

FETCH_S = 600.0
READ_S = 300.0
FILE_MODES = ("100644", "100755")
SAFE = ("-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0")


class Checkout(Remote):
    def __init__(self, address: SourceAddress, folder: Path) -> None:
        """`folder` is its own: a bare repository."""
        self._address = address
        self._folder = folder
        self._prefix = f"{self._address.folder.strip('/')}/" if self._address.folder.strip("/") else ""

    async def files(self) -> Mapping[str, RemoteFile]:
        """Of the commit that the ref names now; a link, or a repository within, is none."""
        await self._fetch()
        listed = await self._git(READ_S, "ls-tree", "-r", "-l", "-z", "--full-tree", "FETCH_HEAD")
        found: dict[str, RemoteFile] = {}
        links: set[str] = set()
        for entry in listed.decode("utf-8", errors="replace").split("\0"):
            told, tab, path = entry.partition("\t")
            if not tab or not path.startswith(self._prefix):
                continue
            mode, _, sha, size = told.split()
            inside = path.removeprefix(self._prefix)
            if mode in FILE_MODES:
                found[inside] = RemoteFile(sha, int(size))
            else:
                links.add(_unit_of(inside))
        # A version that holds a link is not one without it.
        return {path: one for path, one in found.items() if _unit_of(path) not in links}

    async def fetch(self, path: str, file: RemoteFile, target: Path) -> None:
        with target.open("wb") as output:
            await self._git(READ_S, "cat-file", "blob", file.tag, output=output.fileno())

    async def _fetch(self) -> None:
        if not (self._folder / "HEAD").is_file():
            self._folder.mkdir(parents=True, exist_ok=True)
            await self._git(READ_S, "init", "--quiet", "--bare", ".")
        await self._git(
            FETCH_S, "fetch", "--quiet", "--depth=1", "--no-tags", "--force", "--", self._address.url, self._address.ref
        )

    async def _git(self, deadline_s: float, *arguments: str, output: int = asyncio.subprocess.PIPE) -> bytes:
        what = f"git {arguments[0]} of {self._address.url}"
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_DIR": str(self._folder), "LC_ALL": "C"}
        try:
            process = await asyncio.create_subprocess_exec(
                "git",
                *SAFE,
                *arguments,
                cwd=self._folder,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"the git program cannot be started: {error.strerror}") from None
        try:
            async with asyncio.timeout(deadline_s):
                told, complaints = await process.communicate()
        except TimeoutError:
            raise Unavailable(f"{what} took longer than {deadline_s:g} s") from None
        finally:
            if process.returncode is None:
                # Its helpers, too: it leaves them behind when it is killed.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode:
            last = complaints.decode(errors="replace").strip().splitlines()[-1:] or ["it says nothing"]
            raise Unavailable(f"{what} failed: {last[0][:300]}")
        return told or b""


def _unit_of(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[:2]) if len(parts) > 2 and parts[1].isdecimal() else parts[0]
