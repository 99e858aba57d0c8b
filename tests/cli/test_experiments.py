"""`conch experiments` of a file, and of a real event log without those who are forgotten."""

import asyncio
import json
from contextlib import closing

import msgspec
import pytest
from typer.testing import CliRunner

from conch.cli.main import app
from conch.clients.events import Record
from conch.clients.kafka import KafkaEventLog
from conch.contracts.events import EVENTS, FORGOTTEN, Click, Forgotten, Impression, View, encode
from conch.contracts.keys import CatalogueKeys
from conch.contracts.segments import Exposure
from conch.stores.exposures import Exposures
from conch.stores.redis_features import RedisFeatures
from tests.kafka_broker import running_kafka
from tests.redis_server import running_redis

LIST = "0b6f6f0e-8f0e-4f57-9d0a-63f1f6d2c9aa"


def ids():
    return (f"{number:08x}-8f0e-4f57-9d0a-63f1f6d2c9aa" for number in range(1, 1_000))


def events(users=("ana", "bo")):
    own = ids()
    for number, user in enumerate(users):
        about = {"catalogue": "default", "user": user, "pid": "p", "recommendation_id": LIST}
        yield Impression(id=next(own), time_ms=1, variant=("control", "treatment")[number % 2], **about)
        yield Click(id=next(own), time_ms=2, **about)


def reported(*arguments):
    done = CliRunner().invoke(app, ["experiments", "report", *arguments])
    assert done.exit_code == 0, done.output
    return done


def test_a_file_becomes_a_row_a_variant(tmp_path):
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(map(encode, events())))
    control, treatment = map(json.loads, reported(str(file), "--json").stdout.splitlines())
    assert (control["variant"], control["users"], control["metrics"]["ctr"]["value"]) == ("control", 1, 1.0)
    assert (treatment["variant"], treatment["users"]) == ("treatment", 1)
    assert "revenue_per_session" in reported(str(file)).stdout


def test_segments_are_told_apart_when_asked_for(tmp_path):
    file = tmp_path / "events.jsonl"
    before = View(id="ffffffff-8f0e-4f57-9d0a-63f1f6d2c9aa", catalogue="default", user="bo", time_ms=1, category="c")
    late = [msgspec.structs.replace(event, time_ms=event.time_ms + 10_000_000) for event in events()]
    file.write_bytes(b"\n".join(map(encode, [before, *late])))
    rows = list(map(json.loads, reported(str(file), "--by-segment", "--json").stdout.splitlines()))
    assert [(row["segment"], row["variant"]) for row in rows] == [("new", "control"), ("returning", "treatment")]
    told = reported(str(file), "--by-segment").stdout
    assert told.startswith("segment")
    assert "returning" in told
    assert not reported(str(file)).stdout.startswith("segment")


def test_a_line_that_is_no_event_is_named(tmp_path):
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(map(encode, events())) + b"\n{}")
    done = CliRunner().invoke(app, ["experiments", "report", str(file)])
    assert done.exit_code == 1
    assert "line 5" in done.output


def test_no_exposure_is_no_report(tmp_path):
    (tmp_path / "none.jsonl").write_bytes(b"")
    assert "nobody has been exposed" in reported(str(tmp_path / "none.jsonl")).output


def test_first_exposures_are_restored_into_a_redis_that_has_lost_them(tmp_path):
    file = tmp_path / "scenarios.toml"
    file.write_text('[widgets.home]\n[experiment]\nname = "spring"\nsegments = ["new"]\narms.control.share = 1.0\n')
    own = [event for event in events() if isinstance(event, Impression)]
    told = [msgspec.structs.replace(event, segment="new", time_ms=1_000 + place) for place, event in enumerate(own)]
    tombstone = Forgotten(catalogue="default", user="bo", time_ms=5_000)

    async def filled(address):
        log = KafkaEventLog(address)
        records = [Record(EVENTS, event.key, encode(event), event.time_ms) for event in told]
        records.append(Record(FORGOTTEN, tombstone.key, encode(tombstone), tombstone.time_ms))
        assert set(await log.append(records, 30)) == {None}
        await log.close()

    with running_kafka(tmp_path) as broker, running_redis(tmp_path) as redis:
        asyncio.run(filled(broker.address))
        where = ["--events", broker.address, "--redis", redis.address, "--state", str(tmp_path)]

        def restored(*more):
            done = CliRunner().invoke(app, ["experiments", "restore", "--since", *more, *where, "--json"])
            return done.exit_code, done.output if done.exit_code else json.loads(done.stdout)

        spring = ("1970-01-01", "--scenarios", str(file))
        assert restored(*spring) == (0, {"experiment": "spring", "exposed": 1, "written": 1})
        assert restored("2026-01-01", *spring[1:])[1]["exposed"] == 0
        code, output = restored("1970-01-01")
        with closing(RedisFeatures(redis.address, deadline_s=30)) as hot:
            found = Exposures(CatalogueKeys(), hot).of(["ana", "bo"])
    assert found == {"ana": Exposure("new", "spring", 1_000)}
    assert code == 1
    assert "has no segments" in output


@pytest.mark.parametrize("forgotten", [(), ("ana",)])
def test_the_log_is_read_without_those_who_are_forgotten(tmp_path, forgotten):
    async def filled(address):
        log = KafkaEventLog(address)
        records = [Record(EVENTS, event.key, encode(event), event.time_ms) for event in events()]
        records.append(Record(EVENTS, "default:x", b"no event", 1))
        for user in forgotten:
            tombstone = Forgotten(catalogue="default", user=user, time_ms=5)
            records.append(Record(FORGOTTEN, tombstone.key, encode(tombstone), 5))
        assert set(await log.append(records, 30)) == {None}
        await log.close()

    with running_kafka(tmp_path) as broker:
        asyncio.run(filled(broker.address))
        done = reported("--events", broker.address, "--json")
        rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [row["variant"] for row in rows] == (["treatment"] if forgotten else ["control", "treatment"])
    assert "1 records are no events" in done.output
