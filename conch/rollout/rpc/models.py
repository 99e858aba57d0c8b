"""conch.models.v1.Models: convert, call, convert. Who may call it, the edge decides."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc

from conch.clients.status import code_of
from conch.contracts.errors import ConchError, Internal, NotFound, Unavailable
from conch.contracts.pb.models.v1 import models_pb2 as pb
from conch.contracts.pb.models.v1.models_pb2_grpc import ModelsServicer
from conch.rollout.differences import compare
from conch.rollout.folders import Folders
from conch.rollout.publications import Publication
from conch.rollout.publisher import Publisher
from conch.rollout.rpc.uploads import Bounds, receive, upload_folder
from conch.rollout.rpc.wire import to_action, to_diff, to_model
from conch.rollout.shown import shown, shown_model
from conch.rollout.tail import JournalTail

logger = logging.getLogger(__name__)

LOOK_S = 0.2
MOST_UPLOADS = 4
MOST_WATCHERS = 32
MOST_ACTIONS = 1000

T = TypeVar("T")

Context = grpc.aio.ServicerContext[Any, Any]


class Models(ModelsServicer):
    def __init__(self, folders: Folders, publisher: Publisher, bounds: Bounds = Bounds()) -> None:  # noqa: B008 - frozen
        self._folders = folders
        self._publisher = publisher
        self._bounds = bounds
        self._uploads = Places(MOST_UPLOADS, "uploads")
        self._watchers = Places(MOST_WATCHERS, "watchers")
        self._publishing = set[asyncio.Task[None]]()

    async def close(self) -> None:
        """What is being published is left as a crash would leave it."""
        for task in self._publishing:
            task.cancel()
        await asyncio.gather(*self._publishing, return_exceptions=True)

    async def List(self, request: pb.ListRequest, context: Context) -> pb.ListReply | None:
        return await answered(context, lambda: asyncio.to_thread(self._list, request))

    async def History(self, request: pb.HistoryRequest, context: Context) -> pb.HistoryReply | None:
        return await answered(context, lambda: asyncio.to_thread(self._history, request))

    async def Diff(self, request: pb.DiffRequest, context: Context) -> pb.DiffReply | None:
        return await answered(context, lambda: asyncio.to_thread(self._diff, request))

    async def Publish(self, request_iterator: AsyncIterator[Any], context: Context) -> pb.PublishReply | None:
        # An upload may take long: who waits for the first sign of an answer has it.
        await context.send_initial_metadata(())
        return await answered(context, lambda: self._publish(request_iterator))

    async def Rollback(self, request: pb.RollbackRequest, context: Context) -> pb.RollbackReply | None:
        return await answered(context, lambda: self._roll_back(request))

    async def SetAlias(self, request: pb.SetAliasRequest, context: Context) -> pb.SetAliasReply | None:
        return await answered(context, lambda: self._set_alias(request))

    async def Watch(self, request: pb.WatchRequest, context: Context) -> None:
        await answered(context, lambda: self._watch(request.model, context))

    def _list(self, request: pb.ListRequest) -> pb.ListReply:
        models = [shown_model(self._folders, request.model)] if request.model else shown(self._folders)
        return pb.ListReply(models=map(to_model, models))

    def _history(self, request: pb.HistoryRequest) -> pb.HistoryReply:
        lines = self._folders.journal.lines(request.model or None)
        most = request.most if 0 < request.most < MOST_ACTIONS else MOST_ACTIONS
        return pb.HistoryReply(actions=map(to_action, lines[-most:]))

    def _diff(self, request: pb.DiffRequest) -> pb.DiffReply:
        return to_diff(compare(self._folders, request.model, request.from_version or None, request.to_version or None))

    async def _publish(self, requests: AsyncIterator[Any]) -> pb.PublishReply:
        """Who leaves when everything is there leaves a publishing that goes on."""
        with self._uploads.taken():
            done: asyncio.Future[pb.PublishReply] = asyncio.get_running_loop().create_future()
            received = asyncio.Event()
            task = asyncio.create_task(self._take_in(requests, received, done))
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)
            try:
                return await asyncio.shield(done)
            except asyncio.CancelledError:
                if not received.is_set():
                    task.cancel()
                raise

    async def _take_in(
        self, requests: AsyncIterator[Any], received: asyncio.Event, done: "asyncio.Future[pb.PublishReply]"
    ) -> None:
        try:
            with upload_folder(self._folders.uploads) as folder:
                opening = await receive(requests, folder, self._bounds)
                received.set()
                wanted = Publication(
                    opening.model,
                    folder,
                    opening.note,
                    opening.version or None,
                    opening.again,
                    expected_champion=opening.expected_champion or None,
                )
                await self._publisher.publish(wanted)
            done.set_result(pb.PublishReply(model=self._told(opening.model)))
        except BaseException as error:
            if not done.cancelled():
                done.set_exception(error if isinstance(error, Exception) else Unavailable("the publishing was ended"))
            if not isinstance(error, Exception):
                raise

    async def _roll_back(self, request: pb.RollbackRequest) -> pb.RollbackReply:
        await self._publisher.roll_back(
            request.model, request.version or None, expected_champion=request.expected_champion or None
        )
        return pb.RollbackReply(model=self._told(request.model))

    async def _set_alias(self, request: pb.SetAliasRequest) -> pb.SetAliasReply:
        await self._publisher.set_alias(
            request.model,
            request.alias,
            request.version or None,
            expected_generation=request.expected_generation or None,
        )
        return pb.SetAliasReply(model=self._told(request.model))

    async def _watch(self, model: str, context: Context) -> None:
        with self._watchers.taken():
            tail = JournalTail.at_the_end(self._folders.journal.path)
            for one in await asyncio.to_thread(shown, self._folders):
                if model in ("", one.name):
                    await context.write(pb.WatchReply(model=to_model(one)))
            await context.write(pb.WatchReply(begun=pb.Begun()))
            while True:
                for line in await asyncio.to_thread(tail.read):
                    if model in ("", line.model):
                        await context.write(pb.WatchReply(action=to_action(line)))
                        if line.model:  # else it tells of a server
                            await context.write(await asyncio.to_thread(self._now, line.model))
                await asyncio.sleep(LOOK_S)

    def _now(self, model: str) -> pb.WatchReply:
        try:
            return pb.WatchReply(model=self._told(model))
        except NotFound:
            return pb.WatchReply(gone=pb.Gone(model=model))

    def _told(self, model: str) -> pb.Model:
        return to_model(shown_model(self._folders, model))


class Places:
    """So many at once; the next one is told to come back."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._taken = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        if self._taken >= self._most:
            raise Unavailable(f"there are {self._taken} {self._what} already, which is the most")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


async def answered(context: Context, work: Callable[[], Awaitable[T]]) -> T | None:
    """The work's answer; None beside the status that tells its error."""
    try:
        try:
            return await work()
        except ConchError:
            raise
        except Exception:
            logger.exception("a bug in conch.models.v1.Models")
            raise Internal("internal error") from None
    except ConchError as error:
        context.set_code(code_of(error))
        context.set_details(error.message)
        return None
