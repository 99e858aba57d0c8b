"""Bring a version to where one call makes it live: staged, checked, tried out, in its place in `live/`.

Triton does not look there yet, so nobody notices; what is refused here has never been anywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from conch.contracts.errors import InvalidRequest
from conch.durable import move_folder
from conch.rollout.blocking import off_the_loop
from conch.rollout.bytecode import write_bytecode
from conch.rollout.checks import check, read_config
from conch.rollout.companions import Companion, check_companions
from conch.rollout.folders import CONFIG, Folders
from conch.rollout.policy import Policy
from conch.rollout.record import ModelRecord
from conch.rollout.source import Source
from conch.rollout.staging import StagedVersion, stage
from conch.rollout.steps import Reached
from conch.rollout.trying_out import TryingOut


@dataclass(frozen=True, slots=True)
class Member:
    """A version on its way, alone or with those of other models."""

    model: str
    version: int
    source: Source
    record: ModelRecord | None
    """Of before."""
    note: str
    mark: str
    """Of its files as they came."""

    @property
    def before(self) -> int | None:
        return self.record.champion if self.record else None


class Preparing:
    def __init__(self, folders: Folders, trying_out: TryingOut, reached: Reached) -> None:
        self._folders = folders
        self._trying_out = trying_out
        self._reached = reached

    def companions(self, members: Sequence[Member]) -> dict[str, Companion]:
        """What each of several that go live in one step meets in the others; of one alone: nobody."""
        if len(members) == 1:
            return {}
        return {one.model: Companion(one.version, self._config(one)) for one in members}

    async def prepare(self, one: Member, policy: Policy, together: Mapping[str, Companion]) -> Mapping[str, object]:
        """The evidence that it works. Raises RefusedVersion."""
        folders = self._folders
        champion = folders.version(one.model, one.before) if one.before else None
        own = folders.configs(one.model, one.before) if one.before else None
        staged = await off_the_loop(stage, folders, one.source, one.model, one.version, own, policy)
        self._reached("staged")
        await off_the_loop(check, staged, champion, own)
        check_companions(folders, one.model, one.version, read_config(staged.own / CONFIG), together)
        self._reached("checked")
        evidence = await self._trying_out.try_out(one.model, one.version, staged.data, staged.own)
        await off_the_loop(self._place, staged)
        self._reached("placed")
        return {**asdict(evidence), **({"signed_by": staged.signed_by} if staged.signed_by else {})}

    def _config(self, one: Member) -> Any:
        """What it is going to be served by."""
        own = one.source.config or (self._folders.configs(one.model, one.before) if one.before else None)
        if own is None:
            raise InvalidRequest(f"{one.model} brings no config.pbtxt, and there is no version before it")
        return read_config(own / CONFIG)

    def _place(self, staged: StagedVersion) -> None:
        own = self._folders.configs(staged.model, staged.version)
        self._folders.remove(own)
        write_bytecode(staged.data)
        move_folder(staged.own, own)
        move_folder(staged.data, self._folders.version(staged.model, staged.version))
