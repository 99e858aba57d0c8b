"""Two bridges: that share the devices, or of which one waits for the other's end."""

from bridge.devices import Device
from bridge.share import Share
from conch.contracts.topics import DeviceId
from conch.stack.serving import free_ports
from tests.bridge.wearable import CHUNK, eventually, silence, speech

NAMES = [f"watch-{number}" for number in range(1, 9)]


def test_two_bridges_hear_each_device_once_and_acknowledge_what_is_the_others(bare_site):
    site = bare_site
    for name in NAMES:
        site.devices.add(Device(DeviceId("default", name)))
    (second,) = free_ports(1)
    site.start_bridge(share_count=2, share_index=0, max_unacknowledged=4)
    site.begin_bridge(
        "second",
        share_count=2,
        share_index=1,
        max_unacknowledged=4,
        metrics_address=f"127.0.0.1:{second}",
        spool_folder=site.folder / "second",
        outbox_file=site.folder / "second.db",
    )
    eventually(lambda: site.metric("conch_bridge_connected", second) == 1)
    for name in NAMES:
        watch = site.wearing(name)
        for number in range(6):  # more than either may leave unacknowledged, of each device
            watch.numbered(speech(seed=number + 1), "one", number)
    eventually(lambda: sum(len(call.chunks) for call in site.heard.calls) == 6 * len(NAMES))

    assert sorted(call.open.device for call in site.heard.calls) == NAMES
    of_first = [name for name in NAMES if Share(0, 2).owns(DeviceId("default", name))]
    assert 0 < len(of_first) < len(NAMES)
    assert [name for name in NAMES if site.samples(name, "received") == 6 * CHUNK] == of_first


def test_a_bridge_on_standby_goes_on_where_the_killed_one_was(bare_site):
    site = bare_site
    site.heard.decides = False
    (second,) = free_ports(1)
    site.start_bridge()
    site.begin_bridge("second", standby=True, metrics_address=f"127.0.0.1:{second}")
    eventually(lambda: site.metric("conch_bridge_active", second) == 0)
    watch = site.wearing("watch-1")
    payloads = [silence(), speech(seed=1), speech(seed=2)]
    for number, payload in enumerate(payloads):
        watch.numbered(payload, "one", number)
    eventually(lambda: bool(site.heard.calls) and len(site.heard.calls[0].chunks) == 3)
    assert site.metric("conch_bridge_connected", second) == 0
    site.heard.decides = True
    site.kill("bridge")
    eventually(lambda: site.metric("conch_bridge_connected", second) == 1)
    watch.numbered(silence(), "one", 3)
    eventually(lambda: "decision" in watch.names())

    assert site.heard.calls[1].open.resume_offset == CHUNK
    assert [chunk.data for chunk in site.heard.calls[1].chunks[:2]] == payloads[1:]


def test_a_second_bridge_that_is_no_standby_is_refused_the_spool_of_the_first(site):
    (second,) = free_ports(1)
    said = site.refused_to_start("second", metrics_address=f"127.0.0.1:{second}")
    assert "a second one waits as standby" in said
    assert site.metric("conch_bridge_connected") == 1


def test_a_shared_subscription_that_scatters_a_device_is_refused(bare_site):
    said = bare_site.refused_to_start(shared_group="bridges")
    assert "a device's audio would be scattered" in said
