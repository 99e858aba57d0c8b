"""Webhooks, against a real server of this machine."""

import base64
import hashlib
import hmac
import json

import pytest

from bridge.actions.order import Kind, NotDone, Unsure
from bridge.actions.signing import Secret
from bridge.actions.webhook import Hook, Webhook
from conch.clients.allowed import Allowed
from conch.clients.outbound import Outbound
from conch.contracts.errors import InvalidRequest
from conch.stack.serving import free_ports
from tests.bridge.actions.conftest import ordered
from tests.clients.peer import OK, WAIT, Asked, Peer, answering, response

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


async def posted(port: int, *, attempts: int = 3, attempt_s: float = 5.0, within_s: float = 30.0, allowed="") -> str:
    url = f"http://127.0.0.1:{port}/hook"
    hook = Hook(url, Secret.decode(SECRET), attempts, attempt_s)
    async with Outbound(Allowed([allowed or url])) as outbound:
        return await Webhook(hook, outbound, 30.0, lambda: 1_700_000_000.9).act(ordered(), within_s)


def answers(*of_each: bytes):
    """One answer an attempt; the last one stays."""
    left = list(of_each)
    return lambda _asked: left.pop(0) if len(left) > 1 else left[0]


def ids(peer: Peer) -> list[str]:
    return [asked.headers["webhook-id"] for asked in peer.asked]


def verified(asked: Asked) -> bool:
    """As a receiver would, by the words of Standard Webhooks."""
    signed = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode() + asked.content
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    return asked.headers["webhook-signature"] == f"v1,{expected}"


async def test_a_command_is_posted_as_one_signed_object():
    async with answering() as peer:
        assert await posted(peer.port) == ""
    (asked,) = peer.asked
    assert (asked.method, asked.target, asked.headers["content-type"]) == ("POST", "/hook", "application/json")
    assert (asked.headers["webhook-id"], asked.headers["webhook-timestamp"]) == ("7a0e", "1700000000")
    assert verified(asked)
    assert json.loads(asked.content) == {
        "type": "voice.dial",
        "timestamp": "2026-01-02T03:04:05.678Z",
        "data": {
            "command_id": "7a0e",
            "tenant": "default",
            "device": "watch-1",
            "session": "one",
            "intent": "DIAL_PERSON",
            "text": "call Mai",
            "team": "",
            "place": "",
            "contact": "Mai",
        },
    }


def test_a_signature_is_the_one_that_the_standard_s_own_example_has():
    secret = Secret.decode("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = secret.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "first",
    [response(503), response(429, headers={"Retry-After": "0"}), b"", b"no HTTP\r\n\r\n", response(504)],
    ids=["503", "429", "closed", "no http", "504"],
)
async def test_what_may_pass_is_tried_again_with_the_same_id_and_body(first):
    async with answering(answers(first, OK)) as peer:
        assert await posted(peer.port) == ""
    assert ids(peer) == ["7a0e", "7a0e"]
    assert len({asked.content for asked in peer.asked}) == 1
    assert all(map(verified, peer.asked))


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 410])
async def test_what_will_not_pass_is_not_tried_again(status):
    async with answering() as elsewhere:
        there = {"Location": f"http://127.0.0.1:{elsewhere.port}/hook"}
        async with answering(response(status, headers=there)) as peer:
            with pytest.raises(NotDone, match=f"127.0.0.1 answers {status}"):
                await posted(peer.port)
    assert (len(peer.asked), elsewhere.asked) == (1, [])


async def test_attempts_are_bounded_and_a_server_that_only_fails_may_have_acted():
    async with answering(response(500)) as peer:
        with pytest.raises(Unsure, match="answers 500"):
            await posted(peer.port, attempts=3)
    assert ids(peer) == ["7a0e"] * 3


async def test_a_server_that_cannot_be_reached_has_not_acted():
    with pytest.raises(NotDone, match="cannot be reached"):
        await posted(free_ports(1)[0])


async def test_a_refusal_after_a_doubt_leaves_the_doubt():
    async with answering(answers(response(500), response(400))) as peer:
        with pytest.raises(Unsure, match="answers 400"):
            await posted(peer.port)
    assert len(peer.asked) == 2


async def test_a_server_that_never_answers_is_given_up_and_may_have_acted():
    async with answering(WAIT) as peer:
        with pytest.raises(Unsure, match="has not answered within"):
            await posted(peer.port, attempts=2, attempt_s=1.0)
    assert ids(peer) == ["7a0e"] * 2


async def test_nothing_is_tried_beyond_the_deadline():
    async with answering(response(429, headers={"Retry-After": "3600"})) as peer:
        with pytest.raises(NotDone, match="answers 429"):
            await posted(peer.port, attempts=20)
    assert len(peer.asked) == 1


async def test_an_address_that_is_on_no_list_is_never_called():
    async with answering() as peer:
        with pytest.raises(NotDone, match="is not one of the 1 addresses"):
            await posted(peer.port, allowed="https://hooks.example.com/")
    assert peer.connections == 0


def test_a_call_to_nobody_is_not_posted():
    webhook = Webhook(Hook("", Secret.decode(SECRET), 1, 1.0), Outbound(Allowed([])), 1.0)
    with pytest.raises(NotDone):
        webhook.check(ordered(contact=""))
    webhook.check(ordered(Kind.SUMMON, contact=""))


@pytest.mark.parametrize(
    ("secret", "words"),
    [("", "has 0 bytes; 24 to 64"), ("whsec_c2hvcnQ=", "has 5 bytes; 24 to 64"), ("whsec_%%%", "no base64")],
)
def test_a_secret_that_is_none_is_refused_without_being_told(secret, words):
    with pytest.raises(InvalidRequest, match=words) as refused:
        Secret.decode(secret)
    assert "c2hvcnQ" not in refused.value.message
    assert "key" not in repr(Secret.decode(SECRET))
