import pytest

from bridge.share import Share
from conch.contracts.errors import InvalidRequest
from conch.contracts.topics import DeviceId

DEVICES = [DeviceId("default", f"watch-{number}") for number in range(2000)]


def owned(index: int, count: int) -> set[DeviceId]:
    return {device for device in DEVICES if Share(index, count).owns(device)}


def test_every_device_has_one_bridge_and_each_bridge_about_as_many():
    shares = [owned(index, 4) for index in range(4)]
    assert sum(map(len, shares)) == len(set().union(*shares)) == 2000
    assert all(400 < len(share) < 600 for share in shares)


def test_one_bridge_more_takes_devices_for_itself_alone():
    for index in range(4):
        assert owned(index, 5) <= owned(index, 4)


def test_devices_of_one_name_and_two_tenants_are_two_devices():
    same = [Share(0, 2).owns(DeviceId(tenant, "watch-1")) for tenant in ("a", "b", "c", "d", "e", "f", "g", "h")]
    assert len(set(same)) == 2


def test_a_share_that_is_none_is_refused():
    with pytest.raises(InvalidRequest, match="share_index is 2, and share_count 2"):
        Share(2, 2)
