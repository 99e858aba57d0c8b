import pytest

from bridge.accounts import Balance, Missing
from bridge.chunk import Chunk, Encoding, Format
from bridge.records import Mark, Spooled
from bridge.spool import Spool, SpoolFull
from conch.contracts.topics import DeviceId

DEVICE = DeviceId("acme", "watch-1")
HOW = Format(8000, Encoding.MULAW, True)
MARK = Mark(DEVICE, "one", HOW, 3, 800, 400, Balance(300, 100, 200, 1, 800), (Missing(500, 700),))


def chunk(number: int) -> Spooled:
    data = bytes([number]) * 1000
    return Spooled(DEVICE, Chunk(data, HOW, 1000, "one", number, number * 1000, came_at=1_700_000_000.125))


def opened(folder, max_bytes=2**20, segment_bytes=4000) -> tuple[Spool, list]:
    spool = Spool(folder, max_bytes, segment_bytes)
    left = [record for record, _ in spool.open()]
    spool.begin([])
    return spool, left


def test_what_was_appended_is_there_after_a_crash_in_its_order(tmp_path):
    spool, left = opened(tmp_path)
    assert left == []
    records = [MARK, *(chunk(number) for number in range(10)), MARK]
    for record in records:
        spool.append(record, list)
    spool.sync()()
    assert opened(tmp_path)[1] == records


@pytest.mark.parametrize("torn", range(1, 40, 7))
def test_a_record_that_a_crash_tore_is_not_there_and_the_others_are(tmp_path, torn):
    spool, _ = opened(tmp_path)
    for number in range(3):
        spool.append(chunk(number), list)
    last = sorted(tmp_path.glob("*.log"))[-1]
    last.write_bytes(last.read_bytes()[:-torn])
    assert opened(tmp_path)[1] == [chunk(0), chunk(1)]


def test_a_record_whose_bytes_have_changed_ends_its_segment(tmp_path):
    spool, _ = opened(tmp_path)
    place = [spool.append(chunk(number), list) for number in range(3)][1]
    data = bytearray(place.segment.path.read_bytes())
    data[place.at + 200] ^= 1
    place.segment.path.write_bytes(data)
    assert opened(tmp_path)[1] == [chunk(0)]


def test_a_chunk_is_read_where_it_was_put(tmp_path):
    spool, _ = opened(tmp_path)
    places = [spool.append(chunk(number), list) for number in range(9)]
    assert [spool.read(place) for place in places] == [chunk(number) for number in range(9)]


def test_room_comes_back_with_what_is_released_and_the_latest_marks_stay(tmp_path):
    spool, _ = opened(tmp_path, max_bytes=16_000)
    places = [spool.append(chunk(number), lambda: [MARK]) for number in range(12)]
    with pytest.raises(SpoolFull, match="are over its 16000"):
        spool.check_room(1000)
    for place in places:
        spool.release(place)
    spool.check_room(1000)
    assert spool.bytes < 5000
    spool.append(chunk(1), lambda: [MARK])
    assert MARK in opened(tmp_path)[1]
