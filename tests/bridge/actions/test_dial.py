"""Calls by Asterisk's REST interface, against a real server that keeps channels as Asterisk does."""

import base64
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest

from bridge.actions.dial import Asterisk, Dial
from bridge.actions.order import NotDone, Unsure
from bridge.devices import Device, Line
from conch.clients.allowed import Allowed
from conch.clients.outbound import Outbound
from conch.commands.contacts import Contact
from conch.stack.serving import free_ports
from tests.bridge.actions.conftest import WATCH, ordered
from tests.clients.peer import Asked, answering, response

DEVICE = Device(WATCH.device, contacts=(Contact("Mai"), Contact("John")), lines=(Line("Mai", "PJSIP/100"),))


@dataclass
class Channels:
    """What Asterisk has; where it loses them, its answers do not arrive."""

    ids: list[str] = field(default_factory=list)
    loses: bool = False
    hangs_up: bool = False

    def __call__(self, asked: Asked) -> bytes:
        url = urlsplit(asked.target)
        if asked.method == "GET":
            return response(200 if url.path.rpartition("/")[2] in self.ids else 404, b"{}")
        channel = parse_qs(url.query)["channelId"][0]
        if channel in self.ids:
            return response(409, b'{"message": "Channel with given unique ID already exists"}')
        if not self.hangs_up:
            self.ids.append(channel)
        return b"" if self.loses else response(200, b"{}")


def dialling(port: int, outbound: Outbound, device: Device | None = DEVICE) -> Dial:
    asterisk = Asterisk(f"http://127.0.0.1:{port}/ari", "conch", "p:w", "factory", "wearer-{device}", "Conch", 30)
    return Dial(asterisk, outbound, lambda name: device if name == WATCH.device else None, 10.0)


async def dialled(port: int, device: Device | None = DEVICE, within_s: float = 10.0, times: int = 1, **more) -> None:
    async with Outbound(Allowed([f"http://127.0.0.1:{port}/ari"])) as outbound:
        dial = dialling(port, outbound, device)
        for _ in range(times):
            dial.check(ordered(**more))
            await dial.act(ordered(**more), within_s)


async def test_a_call_is_one_request_in_asterisk_s_shape():
    channels = Channels()
    async with answering(channels) as peer:
        await dialled(peer.port)
    (asked,) = peer.asked
    url = urlsplit(asked.target)
    assert (asked.method, url.path) == ("POST", "/ari/channels")
    assert parse_qs(url.query) == {
        "endpoint": ["PJSIP/100"],
        "extension": ["wearer-watch-1"],
        "context": ["factory"],
        "priority": ["1"],
        "callerId": ["Conch"],
        "timeout": ["30"],
        "channelId": ["7a0e"],
    }
    assert asked.headers["authorization"] == f"Basic {base64.b64encode(b'conch:p:w').decode()}"


async def test_a_command_that_is_sent_twice_rings_once():
    channels = Channels()
    async with answering(channels) as peer:
        await dialled(peer.port, times=2)
    assert (channels.ids, len(peer.asked)) == (["7a0e"], 2)


async def test_an_answer_that_got_lost_is_looked_for_and_nothing_is_dialled_again():
    channels = Channels(loses=True)
    async with answering(channels) as peer:
        await dialled(peer.port)
    assert [asked.method for asked in peer.asked] == ["POST", "GET"]


async def test_a_call_that_is_not_there_now_may_have_been():
    async with answering(Channels(loses=True, hangs_up=True)) as peer:
        with pytest.raises(Unsure, match="no such call is there now"):
            await dialled(peer.port)
    assert [asked.method for asked in peer.asked] == ["POST", "GET"]


@pytest.mark.parametrize("answer", [response(500), b""], ids=["500", "closed"])
async def test_a_server_that_fails_over_and_over_leaves_a_doubt(answer):
    async with answering(answer) as peer:
        with pytest.raises(Unsure):
            await dialled(peer.port)
    assert [asked.method for asked in peer.asked] == ["POST", "GET"]


@pytest.mark.parametrize("status", [302, 400, 401, 404])
async def test_a_call_that_asterisk_refuses_is_not_made(status):
    async with answering(response(status, headers={"Location": "/ari/elsewhere"})) as peer:
        with pytest.raises(NotDone, match=f"answers {status}"):
            await dialled(peer.port)
    assert len(peer.asked) == 1


async def test_an_asterisk_that_is_away_has_called_nobody():
    with pytest.raises(NotDone, match="cannot be reached"):
        await dialled(free_ports(1)[0])


@pytest.mark.parametrize(
    ("device", "contact", "spoken"),
    [
        (DEVICE, "John", "I have no number for John."),
        (DEVICE, "", "I do not know whom to call."),
        (None, "Mai", ""),
    ],
    ids=["no endpoint", "nobody", "revoked"],
)
async def test_who_has_no_endpoint_is_not_dialled_and_it_is_said(device, contact, spoken):
    async with answering(Channels()) as peer:
        with pytest.raises(NotDone) as refused:
            await dialled(peer.port, device, contact=contact)
    assert (refused.value.reply, peer.connections) == (spoken, 0)


def test_a_password_is_in_no_log_line():
    assert "p:w" not in repr(Asterisk("http://a/ari", "conch", "p:w", "", "", "", 1))
