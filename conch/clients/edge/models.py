"""A blocking client of conch.models.v1.Models: for operators, from any machine that reaches the edge."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from conch.clients.edge.connection import DEFAULT_ADDRESS, OPTIONS, Connection, Tls
from conch.clients.status import error_of
from conch.contracts.pb.models.v1 import models_pb2 as pb
from conch.contracts.pb.models.v1.models_pb2_grpc import ModelsStub

CHUNK_BYTES = 2**20
READ_S = 30.0
CHANGE_S = 3600.0
"""An upload, a load and its probes."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    number: int
    published: bool
    lineage: Mapping[str, str]
    """By name, metrics as metrics.NAME; empty where it brought none."""


@dataclass(frozen=True, slots=True)
class RefusedFiles:
    version: int
    reason: str
    at: str


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """How a model stands."""

    name: str
    champion: int
    """0: no version of it was ever live."""
    serving: tuple[int, ...]
    versions: tuple[ModelVersion, ...]
    aliases: Mapping[str, int]
    generation: int
    refused: tuple[RefusedFiles, ...]


@dataclass(frozen=True, slots=True)
class ModelAction:
    """A line of the journal."""

    at: str
    action: str
    model: str
    version: int
    """0 where it is of none."""
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelGone:
    name: str


@dataclass(frozen=True, slots=True)
class Watching:
    """Every model has been told once."""


Watched = ModelStatus | ModelAction | ModelGone | Watching


@dataclass(frozen=True, slots=True)
class SentFile:
    path: str
    """In the version, with /."""
    source: Path = field(repr=False)


class ModelsClient:
    """Every method raises ConchError. Nothing is tried again: what changes a model is not safe to repeat."""

    def __init__(self, address: str = DEFAULT_ADDRESS, *, api_key: str = "", tls: Tls | None = None) -> None:
        self._headers = Connection(address, api_key, tls).headers()
        self._channel = (
            grpc.insecure_channel(address, OPTIONS)
            if tls is None
            else grpc.secure_channel(address, tls.credentials(), OPTIONS)
        )
        self._stub: Any = ModelsStub(self._channel)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._channel.close()

    def models(self, model: str = "") -> list[ModelStatus]:
        """Every model, by name; or one."""
        return [to_status(one) for one in self._call("List", pb.ListRequest(model=model), READ_S).models]

    def history(self, model: str = "", most: int = 0) -> list[ModelAction]:
        reply = self._call("History", pb.HistoryRequest(model=model, most=most), READ_S)
        return [to_action(one) for one in reply.actions]

    def publish(
        self,
        model: str,
        files: Sequence[SentFile],
        *,
        note: str = "",
        version: int | None = None,
        again: bool = False,
        expected_champion: int | None = None,
    ) -> ModelStatus:
        opening = pb.PublishOpening(
            model=model,
            note=note,
            version=version or 0,
            again=again,
            expected_champion=expected_champion or 0,
        )
        return to_status(self._call("Publish", _parts(opening, files), CHANGE_S).model)

    def roll_back(self, model: str, version: int | None = None, *, expected_champion: int | None = None) -> ModelStatus:
        request = pb.RollbackRequest(model=model, version=version or 0, expected_champion=expected_champion or 0)
        return to_status(self._call("Rollback", request, CHANGE_S).model)

    def set_alias(
        self, model: str, alias: str, version: int | None, *, expected_generation: int | None = None
    ) -> ModelStatus:
        """`version` None takes it away."""
        request = pb.SetAliasRequest(
            model=model, alias=alias, version=version or 0, expected_generation=expected_generation or 0
        )
        return to_status(self._call("SetAlias", request, READ_S).model)

    def watch(self, model: str = "") -> Iterator[Watched]:
        """Until the caller stops; how every model stands, Watching, then what happens."""
        call = self._stub.Watch(pb.WatchRequest(model=model), metadata=self._headers)
        try:
            for reply in call:
                yield to_watched(reply)
        except grpc.RpcError as error:
            raise _failure(error) from None
        finally:
            call.cancel()

    def _call(self, method: str, request: Any, timeout_s: float) -> Any:
        try:
            return getattr(self._stub, method)(request, timeout=timeout_s, metadata=self._headers)
        except grpc.RpcError as error:
            raise _failure(error) from None


def _failure(error: Any) -> Exception:
    return error_of(error.code(), error.details() or "")


def _parts(opening: pb.PublishOpening, files: Sequence[SentFile]) -> Iterator[pb.PublishRequest]:
    yield pb.PublishRequest(opening=opening)
    for file in files:
        with file.source.open("rb") as content:
            total = hashlib.file_digest(content, "sha256")
            announced = pb.PublishFile(path=file.path, size_bytes=content.tell(), sha256=total.hexdigest())
            yield pb.PublishRequest(file=announced)
            content.seek(0)
            while chunk := content.read(CHUNK_BYTES):
                yield pb.PublishRequest(chunk=chunk)


def to_status(model: pb.Model) -> ModelStatus:
    return ModelStatus(
        model.name,
        model.champion,
        tuple(model.serving),
        tuple(ModelVersion(one.number, one.published, _lineage(one)) for one in model.versions),
        dict(model.aliases),
        model.generation,
        tuple(RefusedFiles(one.version, one.reason, one.at) for one in model.refused),
    )


def to_action(action: pb.Action) -> ModelAction:
    return ModelAction(action.at, action.action, action.model, action.version, json.loads(action.evidence or "{}"))


def to_watched(reply: pb.WatchReply) -> Watched:
    kind = reply.WhichOneof("event")
    if kind == "model":
        return to_status(reply.model)
    if kind == "action":
        return to_action(reply.action)
    return ModelGone(reply.gone.model) if kind == "gone" else Watching()


def _lineage(version: pb.Version) -> dict[str, str]:
    if not version.HasField("lineage"):
        return {}
    told = version.lineage
    lines = {"data": told.data, "code": told.code, "parent": told.parent}
    metrics = {f"metrics.{name}": f"{value:g}" for name, value in sorted(told.metrics.items())}
    return {name: value for name, value in {**lines, **metrics}.items() if value}
