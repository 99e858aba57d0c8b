"""Wearables at a real broker, the bridge as a process, and a gateway that counts."""

import grpc

from tests.bridge.wearable import CHUNK, eventually, silence, speech


def test_a_device_of_mqtt_3_that_sends_bare_pcm_is_told_what_it_said(site):
    watch = site.wearing("watch-1", version=4)
    for payload in (silence(), speech(), speech(seed=2), silence()):
        watch.publish(payload)
    eventually(lambda: "account" in watch.names())

    assert [name for name in watch.names() if name not in ("account", "action")] == [
        "started",
        "speech_started",
        "final",
        "intent",
        "decision",
        "speech",
        "ended",
    ]
    assert b"".join(pcm for pcm, _ in watch.speech) == b"\1\0" * 12_000 + b"\2\0" * 100
    decision = watch.of("decision")[0]
    assert (decision["decision"], decision["start_offset"], decision["end_offset"]) == ("execute", CHUNK, 3 * CHUNK)
    assert decision["session"] == watch.of("started")[0]["session"]
    assert watch.of("account")[-1] == {
        "event": "account",
        "received": 4 * CHUNK,
        "gap": 0,
        "dropped": 0,
        "duplicates": 0,
        "sent": None,
        "session": decision["session"],
    }


def test_the_gateway_is_told_what_the_registry_knows_and_the_message_cannot_say(site):
    watch = site.wearing("watch-1", prefix="t/acme/")
    watch.publish(silence(), session="one", seq=0, offset=0, rate=8000, tenant="default", device="other")
    site.wearing("watch-2").publish(silence(), rate=16_000)
    eventually(lambda: len(site.heard.calls) == 2)

    theirs, ours = sorted(site.heard.calls, key=lambda call: call.tenant)
    assert (theirs.tenant, theirs.open.device, theirs.open.session) == ("acme", "watch-1", "one")
    assert theirs.open.sample_rate == 8000
    assert (ours.tenant, ours.open.language, ours.open.contacts[0].name) == ("default", "en", "Mai")
    assert ours.open.prompt == "cleaning crew, Mai"


def test_a_reply_is_spoken_in_messages_with_their_places(site):
    watch = site.wearing("watch-1")
    for number, payload in enumerate((speech(), silence())):
        watch.numbered(payload, "one", number)
    eventually(lambda: bool(watch.speech) and watch.speech[-1][1]["last"] == "true")

    assert site.heard.spoken == ["The team is on its way."]
    assert b"".join(pcm for pcm, _ in watch.speech) == b"\1\0" * 12_000 + b"\2\0" * 100
    assert [(told["seq"], told["offset"], told["command_id"], told["rate"]) for _, told in watch.speech] == [
        ("0", "0", "command-0", "22050"),
        ("1", "8820", "command-0", "22050"),
        ("2", "12000", "command-0", "22050"),
    ]


def test_numbered_chunks_that_repeat_change_places_and_go_missing_are_accounted_for(site):
    watch = site.wearing("watch-1")
    for number in (0, 1, 1, 3, 2, 0, 6, 7):  # 4 and 5 never come
        watch.numbered(speech(seed=number + 1), "one", number)
    eventually(lambda: site.samples("watch-1", "sent") == 8 * CHUNK)
    eventually(lambda: "gap" in watch.names())

    gap = watch.of("gap")[0]
    assert (gap["start_offset"], gap["end_offset"]) == (4 * CHUNK, 6 * CHUNK)
    kinds = {kind: site.samples("watch-1", kind) for kind in ("received", "gap", "dropped")}
    assert kinds == {"received": 6 * CHUNK, "gap": 2 * CHUNK, "dropped": 0}
    assert site.metric('conch_bridge_duplicates{device="watch-1",tenant="default"}') == 2
    eventually(lambda: len(site.heard.calls[0].chunks) == 6)
    assert [chunk.offset // CHUNK for chunk in site.heard.calls[0].chunks] == [0, 1, 2, 3, 6, 7]
    assert [chunk.data for chunk in site.heard.calls[0].chunks[:4]] == [speech(seed=seed) for seed in (1, 2, 3, 4)]


def test_audio_of_a_gateway_that_was_killed_mid_utterance_is_sent_again_from_what_was_decided(site):
    watch = site.wearing("watch-1")
    payloads = [silence(), silence(), speech(seed=1), speech(seed=2), speech(seed=3), silence()]
    for number, payload in enumerate(payloads[:4]):
        watch.numbered(payload, "one", number)
    eventually(lambda: bool(site.heard.calls) and len(site.heard.calls[0].chunks) == 4)
    site.gateway.stop()
    watch.numbered(payloads[4], "one", 4)
    site.gateway.start()
    watch.numbered(payloads[5], "one", 5)
    eventually(lambda: "decision" in watch.names())

    again = next(call for call in site.heard.calls[1:] if call.chunks)
    assert (again.open.session, again.open.resume_offset) == ("one", 2 * CHUNK)
    assert [chunk.data for chunk in again.chunks] == payloads[2:]
    decision = watch.of("decision")[0]
    assert (decision["start_offset"], decision["end_offset"]) == (2 * CHUNK, 5 * CHUNK)
    assert watch.of("error")[0]["code"] == "UNAVAILABLE"


def test_a_bridge_that_was_killed_sends_again_what_was_acknowledged_and_not_decided(site):
    site.heard.decides = False
    watch = site.wearing("watch-1")
    payloads = [silence(), speech(seed=1), speech(seed=2)]
    for number, payload in enumerate(payloads):
        watch.numbered(payload, "one", number)
    eventually(lambda: bool(site.heard.calls) and len(site.heard.calls[0].chunks) == 3)
    site.kill("bridge")
    site.heard.decides = True
    site.start_bridge()
    eventually(lambda: len(site.heard.calls) == 2)
    watch.numbered(silence(), "one", 3)
    eventually(lambda: "decision" in watch.names())

    assert site.heard.calls[1].open.resume_offset == CHUNK
    assert [chunk.data for chunk in site.heard.calls[1].chunks[:2]] == payloads[1:]
    assert site.samples("watch-1", "sent") == 4 * CHUNK
    assert site.samples("watch-1", "received") == 4 * CHUNK


def test_a_broker_that_was_killed_is_found_again_and_sessions_go_on(site):
    watch = site.wearing("watch-1")
    watch.numbered(speech(), "one", 0)
    eventually(lambda: site.samples("watch-1", "sent") == CHUNK)
    watch.close()
    site.kill("broker")
    eventually(lambda: site.metric("conch_bridge_connected") == 0)
    site.start_broker()
    eventually(lambda: site.metric("conch_bridge_connected") == 1)
    after = site.wearing("watch-1", version=5)
    after.numbered(silence(), "one", 1)
    eventually(lambda: site.samples("watch-1", "received") == 2 * CHUNK)

    eventually(lambda: sum(len(call.chunks) for call in site.heard.calls) >= 2)
    assert {call.open.session for call in site.heard.calls} == {"one"}


def test_messages_that_are_no_audio_are_each_counted_by_their_reason_and_told(site):
    watch = site.wearing("watch-1")
    watch.numbered(silence(), "one", 0)
    bad = {
        "empty": (b"", {}),
        "odd_length": (b"\0\0\0", {"session": "one", "seq": 1, "offset": CHUNK}),
        "text": (b'{"audio": "none"}', {}),
        "too_large": (bytes(400_000), {}),
        "properties": (silence(), {"session": "one", "seq": "-1", "offset": 0}),
        "format_changed": (silence(), {"session": "one", "seq": 1, "offset": CHUNK, "rate": 8000}),
        "overlap": (silence(), {"session": "one", "seq": 1, "offset": CHUNK // 2}),
        "packet": (b"\xff", {"encoding": "opus"}),
    }
    for payload, properties in bad.values():
        watch.publish(payload, **properties)
    site.wearing("nobody").publish(silence())
    watch.numbered(silence(), "one", 1)
    eventually(lambda: site.refused("unknown_device", "") == 1)
    eventually(lambda: len(watch.of("refused")) == len(bad))

    assert [event["reason"] for event in watch.of("refused")] == list(bad)
    assert {reason: site.refused(reason) for reason in bad} == dict.fromkeys(bad, 1)
    eventually(lambda: site.samples("watch-1", "received") == 2 * CHUNK)
    assert [call.open.device for call in site.heard.calls] == ["watch-1"]


def test_a_device_that_is_revoked_is_heard_no_more_and_one_that_is_added_is(site):
    from bridge.devices import Device
    from conch.contracts.topics import DeviceId

    site.devices.revoke(DeviceId("default", "watch-2"))
    site.devices.add(Device(DeviceId("default", "watch-3")))
    revoked, added = site.wearing("watch-2"), site.wearing("watch-3")

    def heard() -> bool:
        revoked.publish(silence())
        added.publish(silence())
        return site.refused("unknown_device", "") > 0 and any(
            call.open.device == "watch-3" for call in site.heard.calls
        )

    eventually(heard)


def test_of_a_device_that_was_revoked_nothing_is_remembered(site):
    from bridge.devices import Device
    from conch.contracts.topics import DeviceId

    watch, name = site.wearing("watch-1"), DeviceId("default", "watch-1")

    def say() -> None:
        watch.publish(silence(), session="one", seq=0, offset=0, last="true")

    say()
    eventually(lambda: len(watch.of("account")) == 1)
    site.devices.revoke(name)
    eventually(lambda: site.samples("watch-1", "received") is None)
    site.devices.add(Device(name))

    def heard_as_new() -> bool:
        say()
        return len(watch.of("account")) > 1

    eventually(heard_as_new)
    assert watch.of("account")[-1]["received"] == CHUNK


def test_a_gateway_that_reads_nothing_costs_little_memory_and_the_oldest_audio_goes_and_is_told(bare_site):
    site = bare_site
    site.start_bridge(max_waiting_s=2)
    site.gateway.do(site.heard.reads.clear)
    watch = site.wearing("watch-1")
    big = CHUNK * 10  # 2 s; gRPC's own windows hold some
    watch.publish(speech(big), session="one", seq=0, offset=0)
    eventually(lambda: bool(site.heard.calls))
    before = site.memory()
    for number in range(1, 600):
        watch.publish(speech(big, seed=number), session="one", seq=number, offset=number * big)
    eventually(lambda: site.samples("watch-1", "sent") == 600 * big)

    assert site.memory() - before < 25 * 2**20  # of 38 MB that came
    dropped = site.samples("watch-1", "dropped")
    assert dropped > 0
    assert site.samples("watch-1", "received") + dropped == 600 * big
    told = sum(event["end_offset"] - event["start_offset"] for event in watch.of("dropped"))
    eventually(lambda: sum(one["end_offset"] - one["start_offset"] for one in watch.of("dropped")) == dropped)
    assert told <= dropped
    site.gateway.do(site.heard.reads.set)
    watch.publish(silence(big), session="one", seq=600, offset=600 * big)
    eventually(lambda: "decision" in watch.names())


def test_a_full_spool_acknowledges_nothing_until_some_is_decided(bare_site):
    site = bare_site
    site.start_bridge(spool_max_bytes=2**20, segment_bytes=2**16, max_waiting_s=600)
    site.gateway.stop()
    watch = site.wearing("watch-1")
    chunk = speech()
    count = 250
    for number in range(count):
        watch.offer(chunk, session="one", seq=number, offset=number * CHUNK)
    eventually(lambda: site.metric("conch_bridge_spool_full") == 1)
    assert "the spool is full" in site.log()
    held = site.samples("watch-1", "sent")

    site.gateway.start()
    watch.offer(silence(), session="one", seq=count, offset=count * CHUNK)
    eventually(lambda: site.samples("watch-1", "sent") == (count + 1) * CHUNK)
    eventually(lambda: site.metric("conch_bridge_spool_full") == 0)
    assert site.samples("watch-1", "gap") == 0
    assert held is not None
    assert held < count * CHUNK


def test_audio_that_the_gateway_will_not_have_is_dropped_and_said_so(site):
    site.heard.refuses = grpc.StatusCode.INVALID_ARGUMENT
    watch = site.wearing("watch-1")
    watch.numbered(speech(), "one", 0)
    eventually(lambda: "dropped" in watch.names())
    assert watch.of("error")[-1]["code"] == "INVALID_ARGUMENT"
    assert site.samples("watch-1", "dropped") == CHUNK
    site.heard.refuses = None
    watch.numbered(speech(), "one", 1)
    watch.numbered(silence(), "one", 2)
    eventually(lambda: "decision" in watch.names())


def test_a_session_whose_last_chunk_has_come_is_decided_at_once_and_is_over(bare_site):
    site = bare_site
    site.start_bridge(idle_s=600)
    watch = site.wearing("watch-1")
    watch.numbered(speech(), "one", 0)
    watch.publish(silence(), session="one", seq=1, offset=CHUNK, last="true")
    eventually(lambda: "ended" in watch.names() and "account" in watch.names())
    assert site.heard.calls[0].half_closed
    assert watch.of("decision")[0]["end_offset"] == CHUNK
    watch.numbered(speech(), "one", 2)
    eventually(lambda: site.refused("stale_session") == 1)


def test_audio_behind_a_gap_of_days_is_heard_in_a_stream_of_its_own(bare_site):
    site = bare_site
    site.start_bridge(idle_s=600)
    watch, later = site.wearing("watch-1"), 3 * 24 * 3600 * 16_000
    watch.numbered(silence(), "one", 0)
    eventually(lambda: bool(site.heard.calls) and bool(site.heard.calls[0].chunks))
    watch.publish(speech(), session="one", seq=1, offset=later)
    watch.publish(silence(), session="one", seq=2, offset=later + CHUNK)
    eventually(lambda: "decision" in watch.names())
    assert [call.open.resume_offset for call in site.heard.calls] == [0, later]
    assert watch.of("decision")[0]["start_offset"] == later
    assert watch.of("gap")[0] == {"event": "gap", "start_offset": CHUNK, "end_offset": later, "session": "one"}


def test_a_last_chunk_that_comes_before_the_one_before_it_ends_nothing_too_early(bare_site):
    site = bare_site
    site.start_bridge(idle_s=600, reorder_s=30)
    watch = site.wearing("watch-1")
    watch.numbered(speech(), "one", 0)
    watch.publish(silence(), session="one", seq=2, offset=2 * CHUNK, last="true")
    watch.numbered(speech(seed=2), "one", 1)
    eventually(lambda: "account" in watch.names())
    account = watch.of("account")[-1]
    assert (account["received"], account["gap"], account["sent"]) == (3 * CHUNK, 0, 3 * CHUNK)
    assert watch.of("decision")[0]["end_offset"] == 2 * CHUNK
    assert not watch.of("refused")


def test_a_device_that_begins_another_session_ends_the_one_before(bare_site):
    site = bare_site
    site.start_bridge(idle_s=600)
    watch = site.wearing("watch-1")
    for session in ("one", "two", "one"):
        watch.numbered(speech(), session, 0)
    eventually(lambda: site.refused("stale_session") == 1)
    eventually(
        lambda: {call.open.session: call.half_closed for call in site.heard.calls} == {"one": True, "two": False}
    )


def test_two_devices_of_one_name_push_each_other_out_and_their_audio_is_never_mixed(bare_site):
    site = bare_site
    site.start_bridge(idle_s=600)
    first = site.wearing("watch-1")
    first.numbered(speech(seed=1), "one", 0)
    eventually(lambda: bool(site.heard.calls))
    second = site.wearing("watch-1")
    eventually(lambda: first.breaks > 0)
    second.offer(speech(seed=2), session="two", seq=0, offset=0)
    eventually(lambda: len(site.heard.calls) == 2)
    first.offer(speech(seed=3), session="one", seq=1, offset=CHUNK)
    eventually(lambda: site.refused("stale_session") > 0)
    second.offer(silence(), session="two", seq=1, offset=CHUNK)
    eventually(lambda: site.samples("watch-1", "received") == 2 * CHUNK)

    eventually(lambda: len(site.heard.calls[1].chunks) == 2)
    assert {call.open.session: [chunk.data for chunk in call.chunks] for call in site.heard.calls} == {
        "one": [speech(seed=1)],
        "two": [speech(seed=2), silence()],
    }


def test_a_bridge_ends_when_it_is_told_to(site):
    site.wearing("watch-1").publish(speech())
    eventually(lambda: bool(site.heard.calls))
    assert site.end("bridge") == 0
