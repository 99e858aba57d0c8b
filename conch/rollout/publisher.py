"""Put a version live, or go back to one: by these steps and no others.

    stage → check → try out under another name → rename into live/ → serve [old, new] → record it

Until the record is written the old version is what there is; whatever ends a step before, `recover` brings that back.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from conch.contracts.errors import ConchError, InvalidRequest, NotFound, Unavailable
from conch.rollout.adoption import adopt
from conch.rollout.blocking import off_the_loop
from conch.rollout.checks import read_config
from conch.rollout.companions import check_companions, check_unused
from conch.rollout.folders import CONFIG, Folders, Pending
from conch.rollout.journal import now
from conch.rollout.live_config import live_config, write_live_config
from conch.rollout.lock import holding
from conch.rollout.pinned import Pinned
from conch.rollout.policy import Policy
from conch.rollout.preparing import Member, Preparing
from conch.rollout.probes import probes_of
from conch.rollout.publications import Publication, check_expected, number_of
from conch.rollout.quarantine import QuarantinedVersion
from conch.rollout.record import ModelRecord
from conch.rollout.recovery import recover
from conch.rollout.refusals import Overtaken, Quarantined, RefusedVersion
from conch.rollout.retention import kept
from conch.rollout.server import ModelServer
from conch.rollout.source import Source
from conch.rollout.steps import Reached, unheard
from conch.rollout.trying_out import Deadlines, TryingOut
from conch.rollout.versions import model_name

logger = logging.getLogger(__name__)


class Publisher:
    def __init__(
        self,
        folders: Folders,
        server: ModelServer,
        *,
        deadlines: Deadlines = Deadlines(),  # noqa: B008 - frozen
        reached: Reached = unheard,
    ) -> None:
        self._folders = folders
        self._server = server
        self._deadlines = deadlines
        self._reached = reached
        self._trying_out = TryingOut(folders, server, deadlines, reached)
        self._preparing = Preparing(folders, self._trying_out, reached)
        self._pinned = Pinned(folders, server, deadlines, reached)

    async def recover(self) -> None:
        """Finish or clean what a publisher that is gone has left."""
        with self._locked():
            await self._recover()

    async def publish(self, wanted: Publication) -> ModelRecord:
        """Raises RefusedVersion, Quarantined or Busy; the champion has not stopped answering then."""
        [record] = await self.publish_together([wanted])
        return record

    async def publish_together(self, wanted: Sequence[Publication]) -> list[ModelRecord]:
        """Of several models, as an embedding and its index: all of them go live, or none, whoever ends where.

        Callers of an ensemble of theirs get all the old ones, then all the new ones.
        """
        policy = Policy.read(self._folders.root)
        models = [model_name(one.model) for one in wanted]
        if len(set(models)) < len(models):
            raise InvalidRequest(f"{', '.join(models)} name a model twice: one version of each goes live")
        with self._locked():
            await self._recover()
            members = [await self._member(one) for one in wanted]
            self._folders.begin(Pending({one.model: one.version for one in members}))
            try:
                return await self._take_in(members, policy)
            except RefusedVersion:
                await self._undo()
                raise
            except (ConchError, OSError) as error:
                raise await self._given_up({one.model: one.version for one in members}, error) from error

    async def roll_back(
        self, model: str, version: int | None = None, *, expected_champion: int | None = None
    ) -> ModelRecord:
        """To the champion before, or to any version that is known; at once where it is still loaded."""
        with self._locked():
            await self._recover()
            record = self._record(model)
            check_expected(model, record, expected_champion)
            target = record.target(version)
            if target == record.champion:
                raise InvalidRequest(f"version {target} of model {model} is the champion already")
            check_companions(self._folders, model, target, read_config(self._folders.configs(model, target) / CONFIG))
            self._folders.begin(Pending({model: target}))
            try:
                return await self._return_to(record, target)
            except (ConchError, OSError) as error:
                raise await self._given_up({model: target}, error) from error

    async def set_alias(
        self, model: str, alias: str, version: int | None, *, expected_generation: int | None = None
    ) -> ModelRecord:
        """Nobody is served by it; None takes it away. Raises Overtaken where the model has changed since."""
        with self._locked():
            await self._recover()
            record = self._record(model)
            if expected_generation not in (None, record.generation):
                raise Overtaken(f"model {model} is at generation {record.generation}, not at {expected_generation}")
            written = self._folders.records.write(record.naming(alias, version))
            self._reached("named")
            before = record.named.get(alias)
            self._folders.journal.append("named", model, version, alias=alias, before=before)
            return written

    async def remove(self, model: str, reason: str) -> None:
        """Unload it and forget its versions; the journal stays. Raises Mismatched for one that others need."""
        with self._locked():
            await self._recover()
            check_unused(self._folders, model_name(model))
            record = self._folders.records.read(model)
            versions = record.known if record else self._folders.live_versions(model)
            if not versions:
                raise NotFound(f"model {model} is not there")
            # What has no record has never been there: from here on recovery ends it, now or after a crash.
            self._folders.begin(Pending({model: max(versions)}))
            self._folders.records.forget(model)
            self._reached("forgotten")
            await recover(self._folders, self._server, self._deadlines, self._reached)
            self._folders.journal.append("removed", model, None, reason=reason, versions=list(versions))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """A disk that is full, fails or may only be read is Unavailable, wherever that shows."""
        try:
            with holding(self._folders.lock):
                yield
        except OSError as error:
            raise Unavailable(f"the disk does not do its part: {error}") from error

    def _record(self, model: str) -> ModelRecord:
        record = self._folders.records.read(model_name(model))
        if record is None:
            raise NotFound(f"nothing was ever published of model {model}")
        return record

    async def _member(self, wanted: Publication) -> Member:
        source = Source.read(wanted.path)
        source = source if wanted.config is None else replace(source, config=wanted.config)
        record = await adopt(self._folders, self._server, wanted.model, self._reached)
        check_expected(wanted.model, record, wanted.expected_champion)
        mark = await off_the_loop(lambda: source.fingerprint)
        self._refuse_again(wanted, mark)
        return Member(wanted.model, number_of(wanted, source, record), source, record, wanted.note, mark)

    async def _take_in(self, members: Sequence[Member], policy: Policy) -> list[ModelRecord]:
        folders, several = self._folders, len(members) > 1
        together = self._preparing.companions(members)
        evidence = []
        for one in members:
            with self._blaming(one):
                evidence.append(await self._preparing.prepare(one, policy, together))
        promoted = [
            kept(folders, one.record.promoted(one.version), policy) if one.record else _first(one.model, one.version)
            for one in members
        ]
        if several:
            await self._pinned.hold({one.model: one.record.champion for one in members if one.record})
        for one, record in zip(members, promoted, strict=True):
            with self._blaming(one):
                await self._serve(record)
                await self._probe(one.model, one.version)
        written = folders.records.write_together(promoted) if several else [folders.records.write(promoted[0])]
        self._reached("recorded")
        for one, found in zip(members, evidence, strict=True):
            others = sorted(together.keys() - {one.model})
            beside = {**found, "together": others} if several else found
            folders.journal.append("promoted", one.model, one.version, before=one.before, note=one.note, **beside)
        self._reached("journaled")
        if several:
            await self._settle()
        folders.end()
        return written

    async def _settle(self) -> None:
        """They are live: what fails here does not take them back, and whoever comes next does it."""
        try:
            await self._pinned.release()
            self._reached("released")
            self._folders.records.settle()
            self._reached("settled")
        except (ConchError, OSError) as error:
            logger.warning("an ensemble is held to the versions of before for now: %s", error)

    @contextlib.contextmanager
    def _blaming(self, one: Member) -> Iterator[None]:
        try:
            yield
        except RefusedVersion as refused:
            self._put_in_quarantine(one.model, one.version, one.mark, refused)
            raise

    async def _return_to(self, record: ModelRecord, target: int) -> ModelRecord:
        folders, model = self._folders, record.model
        loaded = target in (await self._server.ready()).get(model, ())
        returned = record.rolled_back(target)
        if not loaded:
            await self._trying_out.try_out(
                model, target, folders.version(model, target), folders.configs(model, target)
            )
            await self._serve(replace(returned, serving=tuple(sorted({*record.serving, target}))))
        await self._serve(returned)
        written = folders.records.write(returned)
        self._reached("recorded")
        folders.journal.append("rolled back", model, target, before=record.champion, loaded=loaded)
        folders.end()
        return written

    async def _serve(self, record: ModelRecord) -> None:
        """What `record` says, with the champion's config."""
        own, live = self._folders.configs(record.model, record.champion), self._folders.live_models / record.model
        write_live_config(live, live_config(own, self._folders.config_name, record.model, record.serving))
        self._reached("configured")
        await self._server.load(record.model, self._deadlines.load_s)
        self._reached("loaded")

    async def _probe(self, model: str, version: int) -> None:
        own = self._folders.configs(model, version)
        probes = probes_of(read_config(own / CONFIG), own, self._folders.version(model, version))
        await self._trying_out.probe(model, version, probes)

    def _refuse_again(self, wanted: Publication, mark: str) -> None:
        before = self._folders.quarantine.find(wanted.model, mark)
        if before is None:
            return
        if not wanted.again:
            raise Quarantined(f"these files were refused at {before.at} and have not changed: {before.reason}")
        self._folders.quarantine.forget(wanted.model, mark)

    def _put_in_quarantine(self, model: str, version: int, mark: str, refused: RefusedVersion) -> None:
        at: datetime = now()
        self._folders.quarantine.add(
            QuarantinedVersion(model, version, mark, refused.message, at.isoformat(timespec="seconds"))
        )
        self._folders.journal.append("refused", model, version, reason=refused.message, fingerprint=mark)

    async def _recover(self) -> None:
        pending = self._folders.pending()
        if await recover(self._folders, self._server, self._deadlines, self._reached) and pending is not None:
            for model, version in pending.versions.items():
                record = self._folders.records.read(model)
                finished = record is not None and version in record.known
                self._folders.journal.append("recovered", model, version, finished=finished)

    async def _given_up(self, versions: Mapping[str, int], error: ConchError | OSError) -> ConchError:
        """What it is called; no fault of the version's. A disk that is full may not even take the journal's line."""
        failed = error if isinstance(error, ConchError) else Unavailable(f"the disk does not do its part: {error}")
        with contextlib.suppress(OSError):
            for model, version in versions.items():
                self._folders.journal.append("failed", model, version, reason=failed.message)
        await self._undo()
        return failed

    async def _undo(self) -> None:
        """What cannot be undone now, the next publisher undoes."""
        with contextlib.suppress(ConchError, OSError):
            await recover(self._folders, self._server, self._deadlines, self._reached)


def _first(model: str, version: int) -> ModelRecord:
    return ModelRecord(model, version, (version,), (version,), (version,))
