"""Models by its real gRPC server, before a Triton in memory."""

import asyncio
import contextlib
import hashlib
import json

import grpc
import pytest

from conch.clients.edge.models import ModelAction, ModelsClient, ModelStatus, SentFile, Watching
from conch.contracts.errors import InvalidRequest, NotFound, Unavailable
from conch.contracts.pb.models.v1 import models_pb2 as pb
from conch.contracts.pb.models.v1.models_pb2_grpc import ModelsStub
from conch.rollout.lock import holding
from conch.rollout.publications import Publication
from conch.rollout.rpc.serving import serving_models
from tests.settling import becomes

HOST = "127.0.0.1"


@pytest.fixture
async def address(folders, publisher):
    async with serving_models(folders, publisher, f"{HOST}:0") as port:
        yield f"{HOST}:{port}"


@pytest.fixture
async def client(address):
    with ModelsClient(address) as client:
        yield client


def files_in(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [SentFile(path.relative_to(folder).as_posix(), path) for path in paths]


def facts(status):
    return status.champion, status.serving, [one.number for one in status.versions]


async def test_a_version_is_sent_goes_live_and_back(client, folders, triton, version):
    new = version("good")
    (new / "lineage.json").write_text('{"data": "calls of May", "metrics": {"accuracy": 0.5}}')
    live = await asyncio.to_thread(client.publish, "intent", files_in(new), note="sent", expected_champion=1)
    assert facts(live) == (2, (1, 2), [1, 2])
    assert live.versions[1].lineage == {"data": "calls of May", "metrics.accuracy": "0.5"}
    assert triton.served == {"intent": [1, 2]}
    assert (folders.version("intent", 2) / "weights.bin").read_bytes() == (new / "weights.bin").read_bytes()
    assert list(folders.uploads.iterdir()) == []

    back = await asyncio.to_thread(client.roll_back, "intent", expected_champion=2)
    assert facts(back) == (1, (1,), [1, 2])
    named = await asyncio.to_thread(client.set_alias, "intent", "shadow", 2)
    assert named.aliases == {"champion": 1, "shadow": 2}
    assert [facts(one) for one in await asyncio.to_thread(client.models)] == [(1, (1,), [1, 2])]
    actions = await asyncio.to_thread(client.history, "intent")
    assert [(one.action, one.version) for one in actions] == [("promoted", 2), ("rolled back", 1), ("named", 2)]
    assert actions[0].evidence["note"] == "sent"
    assert [one.action for one in await asyncio.to_thread(client.history, "", 1)] == ["named"]


async def test_what_is_refused_is_told_and_shown(client, folders, triton, version):
    bad = files_in(version("bad", "answer"))
    with pytest.raises(InvalidRequest, match="output intent is wrong"):
        await asyncio.to_thread(client.publish, "intent", bad)
    with pytest.raises(InvalidRequest, match="were refused at"):
        await asyncio.to_thread(client.publish, "intent", bad)
    (model,) = await asyncio.to_thread(client.models)
    assert [(one.version, one.reason) for one in model.refused] == [(2, "output intent is wrong")]
    assert triton.served == {"intent": [1]}


async def test_who_expects_something_else_changes_nothing(client, triton, version):
    with pytest.raises(InvalidRequest, match="champion of model intent is 1, not 3"):
        await asyncio.to_thread(client.publish, "intent", files_in(version("good")), expected_champion=3)
    with pytest.raises(NotFound, match="there is no model nobody"):
        await asyncio.to_thread(client.models, "nobody")
    assert triton.served == {"intent": [1]}


async def test_a_second_publisher_is_told_to_come_back(client, folders, version):
    with holding(folders.lock), pytest.raises(Unavailable, match="another publisher"):
        await asyncio.to_thread(client.publish, "intent", files_in(version("good")))


def file_of(path="weights.bin", content=b"1234", size=None, digest=None):
    announced = pb.PublishFile(
        path=path,
        size_bytes=len(content) if size is None else size,
        sha256=hashlib.sha256(content).hexdigest() if digest is None else digest,
    )
    return [pb.PublishRequest(file=announced), *([pb.PublishRequest(chunk=content)] if content else [])]


OPENING = pb.PublishRequest(opening=pb.PublishOpening(model="intent"))
BAD = {
    "nothing": ([], "no opening came"),
    "no opening": (file_of(), "an opening comes first, and once"),
    "two openings": ([OPENING, OPENING], "an opening comes first, and once"),
    "an empty part": ([OPENING, pb.PublishRequest()], "neither opening, nor file, nor chunk"),
    "a chunk of no file": ([OPENING, pb.PublishRequest(chunk=b"1")], "a chunk comes before its file"),
    "too little": ([OPENING, *file_of(size=5)], "came with 4 bytes, 5 are announced"),
    "too much": ([OPENING, *file_of(size=3)], "comes with 4 bytes, 3 are announced"),
    "another content": ([OPENING, *file_of(digest="0" * 64)], "sha256 03ac67.* 0000.* is announced"),
    "a path above": ([OPENING, *file_of("../outside")], "no path inside a version"),
    "an absolute path": ([OPENING, *file_of("/etc/passwd")], "no path inside a version"),
    "a path around": ([OPENING, *file_of("a/../../outside")], "no path inside a version"),
    "a path with a NUL": ([OPENING, *file_of("a\0b")], "no path inside a version"),
    "no path": ([OPENING, *file_of("")], "no path inside a version"),
    "a file twice": ([OPENING, *file_of(), *file_of()], "cannot stand beside the files before it"),
    "a file in a file": ([OPENING, *file_of("a"), *file_of("a/b")], "cannot stand beside the files before it"),
    "more than the disk": ([OPENING, *file_of(size=2**62, content=b"")], "a version has at most"),
    "less than nothing": ([OPENING, *file_of(size=-1, content=b"")], "has -1 bytes"),
    "a name of no model": ([pb.PublishRequest(opening=pb.PublishOpening(model="../x")), *file_of()], "is no name"),
}


@pytest.mark.parametrize("parts", BAD)
async def test_what_is_sent_wrong_is_refused_and_leaves_nothing(address, folders, triton, parts):
    requests, complaint = BAD[parts]
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match=complaint):
            await ModelsStub(channel).Publish(iter(requests), timeout=20)
    assert list(folders.uploads.iterdir()) == []
    assert folders.quarantine.all() == []
    assert triton.served == {"intent": [1]}


async def test_who_leaves_while_it_sends_leaves_nothing(address, folders, triton):
    async with grpc.aio.insecure_channel(address) as channel:
        call = ModelsStub(channel).Publish(timeout=20)
        await call.write(OPENING)
        await call.write(file_of()[0])
        begun = await asyncio.to_thread(becomes, lambda: len(list(folders.uploads.glob("*/weights.bin"))), 1)
        call.cancel()
        left = await asyncio.to_thread(becomes, lambda: list(folders.uploads.iterdir()), [])
    assert (begun, left) == (1, [])
    assert triton.served == {"intent": [1]}


async def test_a_watcher_is_told_how_things_are_and_then_what_happens(client, publisher, folders, version):
    told, begun = asyncio.Queue(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def watch():
        with contextlib.closing(client.watch("intent")) as watched:
            for one in watched:
                loop.call_soon_threadsafe(told.put_nowait, one)
                if isinstance(one, Watching):
                    loop.call_soon_threadsafe(begun.set)
                if isinstance(one, ModelStatus) and one.champion == 2:
                    return

    watching = asyncio.create_task(asyncio.to_thread(watch))
    async with asyncio.timeout(30):
        await begun.wait()
        folders.journal.append("promoted", "another", 1)
        folders.journal.append("server converged", "", None)
        await publisher.publish(Publication("intent", version("good"), note="a\u2028note"))
        await watching
    events = [told.get_nowait() for _ in range(told.qsize())]
    assert [type(one).__name__ for one in events] == ["ModelStatus", "Watching", "ModelAction", "ModelStatus"]
    action = events[2]
    assert isinstance(action, ModelAction)
    assert (action.action, action.version, action.evidence["note"]) == ("promoted", 2, "a\u2028note")


async def test_a_torn_line_is_not_told(client, folders):
    folders.journal.append("promoted", "intent", 1)
    with folders.journal.path.open("a") as file:
        file.write('{"at": "now", "acti')
    assert [one.action for one in await asyncio.to_thread(client.history)] == ["promoted"]
    folders.journal.append("promoted", "intent", 2)
    assert [one.version for one in await asyncio.to_thread(client.history)] == [1, 2]


async def test_a_difference_is_told_with_both_sides(address, publisher, folders, version):
    new = version("good")
    config = (folders.repository / "intent/config.pbtxt").read_text()
    (new / "config.pbtxt").write_text(config + "\n# changed\n")
    (new / "lineage.json").write_text(json.dumps({"code": "abc"}))
    await publisher.publish(Publication("intent", new))
    async with grpc.aio.insecure_channel(address) as channel:
        reply = await ModelsStub(channel).Diff(pb.DiffRequest(model="intent"), timeout=20)
        with pytest.raises(grpc.aio.AioRpcError, match="is one version"):
            await ModelsStub(channel).Diff(pb.DiffRequest(model="intent", from_version=1, to_version=1), timeout=20)
    assert (reply.from_version, reply.to_version) == (1, 2)
    found = {(one.kind, one.name): (one.before, one.after) for one in reply.differences}
    assert found.keys() == {
        ("file", "behaviour"),
        ("file", "weights.bin"),
        ("config", "config.pbtxt"),
        ("lineage", "code"),
    }
    assert found[("lineage", "code")] == ("", "abc")
    assert found[("config", "config.pbtxt")] == (config, config + "\n# changed\n")
