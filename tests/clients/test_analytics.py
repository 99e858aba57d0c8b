"""Exposures and outcomes, told to a real HTTP server in Amplitude's place, and to a file."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conch.clients.amplitude import AmplitudeAnalytics
from conch.clients.analytics import FileAnalytics
from conch.contracts.analysts import analysts_id
from conch.contracts.errors import Unavailable
from conch.contracts.events import Click, Impression, Order, Return, View, decode

LIST = "0b6f6f0e-8f0e-4f57-9d0a-63f1f6d2c9aa"
ABOUT: dict[str, Any] = {"catalogue": "shop", "user": "ana", "session": "s", "pid": "p"}
EVENTS = [
    View(id=LIST[:-1] + "0", time_ms=1, **ABOUT),
    Impression(
        id=LIST[:-1] + "1",
        time_ms=2,
        recommendation_id=LIST,
        variant="treatment",
        segment="new",
        widget="home",
        **ABOUT,
    ),
    Click(id=LIST[:-1] + "2", time_ms=3, **{**ABOUT, "user": ""}),
    Order(id=LIST[:-1] + "3", time_ms=4, quantity=2, price=9.5, **ABOUT),
    Return(id=LIST[:-1] + "4", time_ms=5, quantity=1, price=9.5, **ABOUT),
]


@dataclass
class Server:
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)

    @property
    def events(self) -> list[dict[str, Any]]:
        found = [event for body in self.bodies for event in body["events"]]
        return sorted(found, key=lambda event: event["time"])


@pytest.fixture
def amplitude(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            answer = b'{"code": 200}'
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_request(self, code: object = "-", size: object = "-") -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        told.url = f"http://127.0.0.1:{server.server_address[1]}/2/httpapi"
        yield told
        server.shutdown()
        thread.join()


def test_impressions_are_exposures_and_what_follows_outcomes(amplitude: Server) -> None:
    analytics = AmplitudeAnalytics("the-key", amplitude.url)
    analytics.tell(EVENTS)
    analytics.close()
    assert {body["api_key"] for body in amplitude.bodies} == {"the-key"}
    exposure, click, order, returned = amplitude.events
    assert (exposure["event_type"], exposure["insert_id"]) == ("exposure", EVENTS[1].id)
    assert exposure["user_id"] == order["user_id"] == analysts_id("shop", "ana")
    assert exposure["event_properties"] == {
        "catalogue": "shop",
        "variant": "treatment",
        "segment": "new",
        "widget": "home",
        "recommendation_id": LIST,
        "pid": "p",
        "session": "s",
    }
    assert (click["event_type"], click["device_id"]) == ("click", "shop:s")
    assert "user_id" not in click
    assert (order["event_type"], order["event_properties"]["revenue"]) == ("order", 19.0)
    assert (returned["event_type"], returned["event_properties"]["revenue"]) == ("return", -9.5)


def test_a_file_has_the_same_events_as_they_are(tmp_path: Path) -> None:
    analytics = FileAnalytics(tmp_path / "told.jsonl")
    analytics.tell(EVENTS[:2])
    analytics.tell(EVENTS[2:])
    analytics.close()
    assert [decode(line) for line in (tmp_path / "told.jsonl").read_bytes().splitlines()] == EVENTS[1:]


def test_a_file_that_cannot_be_written_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    FileAnalytics(tmp_path / "missing" / "told.jsonl").tell(EVENTS)
    assert "5 events are not in told.jsonl" in caplog.text


def test_a_user_who_is_forgotten_leaves_the_file_and_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "told.jsonl"
    analytics = FileAnalytics(file)
    assert analytics.forget("shop", "ana") == 0
    other = {**ABOUT, "user": "anabel"}
    elsewhere = {**ABOUT, "catalogue": "other"}
    stays = [Click(id=LIST[:-1] + "5", time_ms=6, **other), Click(id=LIST[:-1] + "6", time_ms=7, **elsewhere)]
    analytics.tell([*EVENTS, *stays])
    file.write_bytes(file.read_bytes() + b"not an event\n")
    assert analytics.forget("shop", "ana") == 3
    *lines, last = file.read_bytes().splitlines()
    assert [decode(line) for line in lines] == [EVENTS[2], *stays]
    assert last == b"not an event"
    analytics.tell(EVENTS[1:2])
    assert analytics.forget("shop", "ana") == 1


def test_what_is_told_meanwhile_is_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "told.jsonl"
    analytics = FileAnalytics(file)
    other = {**ABOUT, "user": "bo"}

    def tell() -> None:
        for number in range(200):
            analytics.tell([Click(id=f"{number:08x}{LIST[8:]}", time_ms=1, **other)])

    teller = threading.Thread(target=tell)
    teller.start()
    while teller.is_alive():
        analytics.forget("shop", "ana")
    teller.join()
    assert len({decode(line).id for line in file.read_bytes().splitlines()}) == 200


def test_a_file_that_cannot_be_written_anew_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"told\.jsonl cannot be written anew"):
        FileAnalytics(tmp_path / "missing" / "told.jsonl").forget("shop", "ana")
