import itertools
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.open_loop import Calls, Outcome, Pace, generate

BODY = {"any": "body"}
SECONDS = 0.5


@pytest.fixture
def two_of_three_refused() -> Iterator[tuple[str, list[bytes]]]:
    """Its address, and the bodies that it was sent."""
    turn, bodies = itertools.cycle((200, 429, 503)), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(next(turn))
            self.send_header("content-length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", bodies
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "pace", [Pace(per_s=60, seconds=SECONDS), Pace(callers=2, seconds=SECONDS)], ids=["by times", "by turns"]
)
def test_what_was_refused_is_told_from_what_was_answered(two_of_three_refused: tuple[str, list[bytes]], pace: Pace):
    address, bodies = two_of_three_refused
    outcome = generate(Calls(address, "/", BODY), pace, time.monotonic())
    assert set(bodies) == {b'{"any": "body"}'}
    assert 0 < outcome.sent < len(bodies)
    assert outcome.failed == 0
    assert outcome.sent == len(outcome.answered) + outcome.refused
    assert len(outcome.answered) == pytest.approx(outcome.sent / 3, abs=2)


def test_an_answer_that_came_too_late_is_no_good() -> None:
    outcome = Outcome(1.0, 5, {200: [0.1, 0.2, 3.0], 429: [0.01]})
    assert (outcome.good(1.0), outcome.refused, outcome.failed) == (2, 1, 1)
