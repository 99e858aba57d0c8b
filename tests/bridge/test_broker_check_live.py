"""A broker that would lose audio is refused at the start, by the limit's name."""

from tests.bridge.wearable import eventually, silence, speech


def test_a_broker_that_takes_no_chunk_of_the_largest_size_is_refused(bare_site):
    said = bare_site.refused_to_start(max_chunk_bytes=3 * 2**20)
    assert "a message of 3145728 bytes (max_chunk_bytes) does not come back" in said


def test_what_a_broker_has_less_of_is_said(bare_site):
    bare_site.start_bridge(max_unacknowledged=500)
    assert "the broker has 100 messages in flight to us, not 500" in bare_site.log()


def test_a_bridge_waits_for_a_broker_that_is_away(bare_site):
    site = bare_site
    site.kill("broker")
    site.begin_bridge()
    eventually(lambda: site.metric("conch_bridge_connected") == 0)
    site.start_broker()
    eventually(lambda: site.metric("conch_bridge_connected") == 1)


def test_audio_that_is_retained_is_not_heard_again_by_who_subscribes_later(site):
    watch = site.wearing("watch-1")
    watch.publish(speech(), retain=True)
    watch.publish(silence())
    eventually(lambda: "decision" in watch.names())
    site.end("bridge")
    site.start_bridge(client_id="another-bridge", spool_folder=site.folder / "another")
    eventually(lambda: site.refused("retained") == 1)
    assert len(site.heard.calls) == 1
