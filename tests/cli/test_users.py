"""`conch users forget`: a real Redis, a real event log, and nothing of the user in the first afterwards."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typer.testing import CliRunner

from conch.cli.main import app
from conch.clients.analytics import FileAnalytics
from conch.clients.kafka import KafkaEventLog
from conch.contracts.events import FORGOTTEN, Click, decode_forgotten
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


def test_what_is_nobodys_id_is_refused(tmp_path):
    done = forget("x" * 201, "--redis", "127.0.0.1:1", "--events", "127.0.0.1:1", "--state", str(tmp_path))
    assert done.exit_code == 1
    assert "1 to 200" in done.output


def test_what_is_left_to_delete_is_told_and_fails_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("CONCH_GATEWAY_AMPLITUDE_KEY", "the-key")
    file = tmp_path / "told.jsonl"
    click = Click(id="0b6f6f0e-8f0e-4f57-9d0a-63f1f6d2c9aa", time_ms=1, catalogue="default", user="ana", pid="p")
    FileAnalytics(file).tell([click])
    with running_redis(tmp_path) as redis, running_kafka(tmp_path) as broker:
        where = ["--redis", redis.address, "--events", broker.address, "--state", str(tmp_path)]
        where += ["--analytics-file", str(file), "--json"]
        keyless = forget("ana", *where)
        monkeypatch.setenv("CONCH_AMPLITUDE_SECRET", "the-secret")
        monkeypatch.setenv("CONCH_AMPLITUDE_PRIVACY_URL", "http://127.0.0.1:1/api/2/deletions/users")
        unreached = forget("ana", *where)
    assert (keyless.exit_code, unreached.exit_code) == (1, 1)
    told = json.loads(keyless.stdout)
    assert (told["user"], told["catalogue"], told["redis_keys"], told["analytics_events"]) == ("ana", "default", 4, 1)
    assert "secret key is not given" in told["left"][0]
    assert "127.0.0.1 cannot be reached" in json.loads(unreached.stdout)["left"][0]
    assert file.read_bytes() == b""


def test_amplitude_is_asked_and_the_day_is_told(tmp_path, monkeypatch):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            ids = [{"amplitude_id": 1}] if asked["user_ids"] == ["ana"] else []
            answer = json.dumps({"day": "2026-12-01", "status": "staging", "amplitude_ids": ids}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_request(self, *_):
            pass

    monkeypatch.setenv("CONCH_GATEWAY_AMPLITUDE_KEY", "the-key")
    monkeypatch.setenv("CONCH_AMPLITUDE_SECRET", "the-secret")
    with (
        running_redis(tmp_path) as redis,
        running_kafka(tmp_path) as broker,
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as amplitude,
    ):
        thread = threading.Thread(target=amplitude.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{amplitude.server_address[1]}/api/2/deletions/users"
        where = ["--redis", redis.address, "--events", broker.address, "--state", str(tmp_path)]
        done = forget("ana", *where, "--amplitude-privacy-url", url)
        amplitude.shutdown()
        thread.join()
    assert done.exit_code == 0, done.output
    assert "Amplitude: deletes the user on 2026-12-01" in done.output
    assert "records of the user stay" in done.output
