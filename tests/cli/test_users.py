"""`conch users forget`: a real Redis, a real event log, and nothing of the user in the first afterwards."""

import asyncio

from typer.testing import CliRunner

from conch.cli.main import app
from conch.clients.kafka import KafkaEventLog
from conch.contracts.events import FORGOTTEN, decode_forgotten
from conch.contracts.keys import CatalogueKeys, packed
from tests.kafka_broker import running_kafka
from tests.redis_server import running_redis


def forget(*arguments):
    return CliRunner().invoke(app, ["users", "forget", *arguments])


def test_both_forms_of_all_that_is_known_go_and_the_log_says_so(tmp_path):
    keys = CatalogueKeys()
    with running_redis(tmp_path) as redis, running_kafka(tmp_path) as broker, redis.client() as client:
        for user in ("ana", "bo"):
            for key in keys.of_user(user):
                client.set(key, "documented")
                client.set(packed(key), "packed")
        where = ["--redis", redis.address, "--events", broker.address, "--state", str(tmp_path)]
        done = forget("ana", *where)
        assert done.exit_code == 0, done.output
        left = {key.decode() for key in client.keys("*")}
        assert left == {name for key in keys.of_user("bo") for name in (key, packed(key))}
        log = KafkaEventLog(broker.address)
        (record,) = log.read(FORGOTTEN, 30)
        asyncio.run(log.close())
    assert record.key == "default:ana"
    tombstone = decode_forgotten(record.value)
    assert (tombstone.catalogue, tombstone.user) == ("default", "ana")


def test_without_an_event_log_nothing_is_deleted(tmp_path):
    with running_redis(tmp_path) as redis, redis.client() as client:
        (key, *_) = CatalogueKeys().of_user("ana")
        client.set(key, "documented")
        done = forget("ana", "--redis", redis.address, "--events", "127.0.0.1:1", "--state", str(tmp_path))
        assert done.exit_code == 1
        assert "event log" in done.output
        assert client.exists(key)


def test_an_id_that_cannot_be_a_key_is_refused(tmp_path):
    done = forget("a{b}", "--redis", "127.0.0.1:1", "--events", "127.0.0.1:1", "--state", str(tmp_path))
    assert done.exit_code == 1
    assert "braces" in done.output
