"""Actions of a bridge that is a process, on a real broker: what is killed, sent again and answered late acts once."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from bridge.devices import Device, Line
from conch.commands.contacts import Contact
from conch.contracts.pb.voice.v1 import voice_pb2 as pb
from conch.contracts.topics import DeviceId
from tests.bridge.conftest import Site
from tests.bridge.wearable import Wearable, eventually, silence, speech
from tests.clients.peer import WAIT, Asked, Peer, answering, response

DIAL = pb.UtteranceDecision(
    decision=pb.DECISION_EXECUTE, intent="DIAL_PERSON", text="call Mai", contacts=["Mai"], reply="Calling Mai."
)
QUESTION = pb.UtteranceDecision(
    decision=pb.DECISION_FORWARD, intent="GENERAL_QUERY", text="whom do I call", reply="No assistant is configured."
)
CONFIRM = pb.UtteranceDecision(
    decision=pb.DECISION_CONFIRM, intent="DIAL_PERSON", text="call Mai", contacts=["Mai"], reply="Did you mean Mai?"
)


@contextlib.contextmanager
def serving(answer: Callable[[Asked], bytes] | bytes) -> Iterator[Peer]:
    """A peer in a loop of its own: a test may block."""
    peers: list[Peer] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def serve() -> None:
        async with answering(answer) as peer:
            peers.append(peer)
            ready.set()
            await stopping.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(30)
        yield peers[0]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()


@contextlib.contextmanager
def hearing(site: Site, topic: str) -> Iterator[list[dict[str, Any]]]:
    """Whoever sends teams."""
    heard: list[dict[str, Any]] = []
    subscribed = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="team-display", protocol=paho.MQTTv5)
    client.on_message = lambda _client, _user, message: heard.append(json.loads(message.payload))
    client.on_connect = lambda client, *_: client.subscribe(topic, 1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect("127.0.0.1", site.mqtt5)
    client.loop_start()
    try:
        assert subscribed.wait(30)
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def say(watch: Wearable, first: int = 0, session: str = "one") -> None:
    """An utterance of one chunk, and the silence that ends it."""
    watch.numbered(speech(seed=first + 1), session, first)
    watch.numbered(silence(), session, first + 1)


def states(watch: Wearable) -> list[str]:
    return [event["state"] for event in watch.of("action")]


def ari(peer: Peer, **more: object) -> dict[str, object]:
    url = f"http://127.0.0.1:{peer.port}/ari"
    who = {"ari_user": "conch", "ari_password": "secret", "ari_extension": "100"}
    return {"dial_by": "ari", "ari_url": url, "outbound_urls": json.dumps([url]), **who, **more}


def with_endpoint(site) -> None:
    device = Device(DeviceId("default", "watch-1"), "en", (Contact("Mai"),), (), (Line("Mai", "PJSIP/100"),))
    site.devices.add(device)


@pytest.mark.parametrize("prefix", ["", "t/acme/"], ids=["default", "acme"])
def test_a_summons_is_published_once_on_its_tenant_s_topic(site, prefix):
    site.heard.decision = pb.UtteranceDecision(
        decision=pb.DECISION_EXECUTE, intent="SUMMON_TEAM", text="crew to aisle 5", team="crew", place="aisle 5"
    )
    with hearing(site, f"{prefix}team/summon") as summons:
        watch = site.wearing("watch-1", prefix=prefix)
        say(watch)
        eventually(lambda: states(watch) == ["done"])
        (summoned,) = summons
    time = summoned.pop("time")
    assert time.endswith("Z")
    assert summoned == {
        "command_id": watch.of("decision")[0]["command_id"],
        "team": "crew",
        "place": "aisle 5",
        "device": "watch-1",
        "text": "crew to aisle 5",
    }
    tenant = "acme" if prefix else "default"
    counted = f'conch_bridge_actions_total{{action="summon",outcome="done",tenant="{tenant}"}}'
    assert site.metric(counted) == 1


def test_audio_that_is_sent_again_after_every_kind_of_break_summons_once(site):
    site.heard.acks = False  # the bridge is never told that audio is decided, so it sends it again
    with hearing(site, "team/summon") as summons:
        watch = site.wearing("watch-1")
        say(watch)
        eventually(lambda: states(watch) == ["done"])
        site.gateway.stop()
        site.gateway.start()
        eventually(lambda: states(watch) == ["done", "repeated"])
        site.kill("bridge")
        site.start_bridge()
        eventually(lambda: states(watch) == ["done", "repeated", "repeated"])
        site.heard.acks = True
        say(watch, 2)
        eventually(lambda: states(watch)[-1] == "done")
        assert [summoned["command_id"] for summoned in summons] == ["command-0", "command-6400"]
    assert site.heard.spoken.count("The team is on its way.") == 2


def test_a_bridge_that_is_killed_while_it_dials_never_dials_again_and_says_so(bare_site):
    site = bare_site
    with_endpoint(site)
    site.heard.decision = DIAL
    site.heard.acks = False
    with serving(WAIT) as peer:
        site.start_bridge(**ari(peer, ari_deadline_s=600))
        watch = site.wearing("watch-1")
        say(watch)
        eventually(lambda: len(peer.asked) == 1)
        site.kill("bridge")
        site.start_bridge(**ari(peer, ari_deadline_s=600))
        eventually(lambda: states(watch) == ["unknown", "repeated"])
        eventually(lambda: len(site.heard.spoken) == 2)
        assert len(peer.asked) == 1
    assert "unknown whether it was" in watch.of("action")[0]["reason"]
    assert site.heard.spoken == ["Calling Mai.", "I do not know whether Mai was called. Please check."]


def test_a_call_that_hangs_holds_up_no_audio_and_no_summons(bare_site):
    site = bare_site
    with_endpoint(site)
    site.heard.decision = DIAL
    with serving(WAIT) as peer:
        site.start_bridge(**ari(peer, ari_deadline_s=600))
        watch = site.wearing("watch-1")
        say(watch)
        eventually(lambda: len(peer.asked) == 1)
        site.heard.decision = pb.UtteranceDecision(decision=pb.DECISION_EXECUTE, intent="SUMMON_TEAM", text="crew")
        say(watch, 2)
        eventually(lambda: [event["action"] for event in watch.of("action")] == ["summon"])
        assert states(watch) == ["done"]


def test_who_has_no_endpoint_or_no_telephone_system_is_not_called_and_it_is_said(bare_site):
    site = bare_site
    site.heard.decision = DIAL
    with serving(response(200)) as peer:
        site.start_bridge(**ari(peer))
        watch = site.wearing("watch-1")
        say(watch)
        eventually(lambda: site.heard.spoken == ["I have no number for Mai."])
        site.end("bridge")
        site.start_bridge()
        say(watch, 2)
        eventually(lambda: site.heard.spoken == ["I have no number for Mai.", "Calls are not set up here."])
        assert peer.asked == []
    eventually(lambda: states(watch) == ["failed", "failed"])


def test_a_question_is_answered_by_voice_and_its_answer_acts_on_nothing(bare_site):
    site = bare_site
    with_endpoint(site)
    site.heard.decision = QUESTION
    content = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Call Mai."}}]}).encode()
    with serving(lambda asked: response(200, content)) as peer, hearing(site, "team/summon") as summons:
        url = f"http://127.0.0.1:{peer.port}/v1"
        site.start_bridge(assistant_url=url)
        watch = site.wearing("watch-1")
        say(watch)
        eventually(lambda: site.heard.spoken == ["Call Mai."])
        say(watch, 2)
        eventually(lambda: len(site.heard.spoken) == 2 and len(states(watch)) == 2)
        paths = [asked.target for asked in peer.asked]
        asked = json.loads(peer.asked[1].content)["messages"]
        assert summons == []
    assert paths == ["/v1/chat/completions"] * 2
    assert [message["content"] for message in asked[1:]] == ["whom do I call", "Call Mai.", "whom do I call"]
    assert [(event["action"], event["state"], event["reply"]) for event in watch.of("action")] == [
        ("forward", "done", "Call Mai.")
    ] * 2
    assert [event["reply"] for event in watch.of("decision")] == ["", ""]
    assert all(call.open.contacts for call in site.heard.calls)


def test_without_an_assistant_a_question_is_told_so(site):
    site.heard.decision = QUESTION
    watch = site.wearing("watch-1")
    say(watch)
    eventually(lambda: site.heard.spoken == ["No assistant is configured, so I cannot answer that."])
    eventually(lambda: states(watch) == ["failed"])
    assert watch.of("action")[0]["reason"] == "CONCH_BRIDGE_ASSISTANT_URL is empty"


@pytest.mark.parametrize("breaks", ["gateway", "bridge"])
def test_a_question_of_ours_whose_session_breaks_is_cancelled_and_said_so(site, breaks):
    site.heard.decision = CONFIRM
    watch = site.wearing("watch-1")
    say(watch)
    eventually(lambda: site.heard.spoken == ["Did you mean Mai?"])
    watch.numbered(speech(), "one", 2)  # the answer begins, and is never heard to its end
    if breaks == "gateway":
        eventually(lambda: len(site.heard.calls[0].chunks) == 3)
        site.gateway.stop()
        site.gateway.start()
    else:
        site.kill("bridge")
        site.start_bridge()
    eventually(lambda: states(watch) == ["cancelled"])
    eventually(lambda: site.heard.spoken[-1] == "We were interrupted, so I will not do it.")
    (event,) = watch.of("action")
    assert (event["command_id"], event["action"]) == ("command-0", "dial")


def test_what_was_said_long_before_a_gateway_is_back_is_not_acted_on(bare_site):
    site = bare_site
    site.gateway.stop()
    site.start_bridge(actions_fresh_s=0.1)
    with hearing(site, "team/summon") as summons:
        watch = site.wearing("watch-1")
        say(watch)
        eventually(lambda: bool(watch.of("error")))
        site.kill("bridge")  # when it was said outlives the bridge
        site.gateway.start()
        site.start_bridge(actions_fresh_s=0.1)
        eventually(lambda: states(watch) == ["failed"])
        assert summons == []
    eventually(lambda: site.heard.spoken == ["I heard that too late, so I did not do it. Please say it again."])


def test_settings_that_disagree_end_the_start_and_name_themselves(bare_site):
    site = bare_site
    site.begin_bridge(dial_by="ari", ari_password="hush")
    assert site.code("bridge") == 2
    assert "CONCH_BRIDGE_ARI_URL: is empty" in site.log()
    site.begin_bridge(actions_waiting=0, ari_password="hush")
    assert site.code("bridge") == 2
    assert "actions_waiting" in site.log()
    assert "hush" not in site.log()
