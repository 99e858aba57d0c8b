import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conch.contracts.errors import Internal
from conch.contracts.features import LAYOUTS, VERSION, Family, Packed, Stamp, Unreadable, pack, unpack

STAMP = Stamp(epoch=3, window_end_ms=1_700_000_000_123, revision=9)


def feature(family: Family, rows: int) -> Packed:
    columns = {name: np.arange(rows).astype(kind) for name, kind in LAYOUTS[family].columns.items()}
    return Packed(family, columns, 7, STAMP)


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("rows", [0, 1, 1_000])
def test_what_is_packed_comes_back(family, rows):
    written = feature(family, rows)
    read = unpack(pack(written), family)
    assert (read.family, read.generation, read.stamp, read.rows) == (family, 7, STAMP, rows)
    for name, column in written.columns.items():
        np.testing.assert_array_equal(read.columns[name], column)


def test_the_header_is_what_other_programs_were_told():
    blob = pack(feature(Family.SEMANTIC, 2))
    assert len(blob) == 32 + 2 * 8
    assert blob[:4] == bytes([VERSION, Family.SEMANTIC, 0, 0])
    assert blob[4:8] == LAYOUTS[Family.SEMANTIC].fingerprint.to_bytes(4, "little")
    assert [int.from_bytes(blob[at : at + 4], "little") for at in (8, 12, 16, 20)] == [7, 2, 3, 9]
    assert int.from_bytes(blob[24:32], "little") == 1_700_000_000_123
    assert blob[32:40] == bytes([0, 0, 0, 0, 1, 0, 0, 0])


def test_layouts_are_told_apart_by_their_fingerprints():
    assert len({layout.fingerprint for layout in LAYOUTS.values()}) == len(LAYOUTS) == len(Family)


@pytest.mark.parametrize("length", [0, 31, 32, 47, 49])
def test_a_truncated_or_padded_blob_is_refused_with_both_lengths(length):
    blob = (pack(feature(Family.SEMANTIC, 2)) + b"\0")[:length]
    with pytest.raises(Unreadable, match=rf"{length} bytes.* (32|48)"):
        unpack(blob, Family.SEMANTIC)


def test_a_blob_of_another_version_is_refused():
    with pytest.raises(Unreadable, match="version 2, this is version 1"):
        unpack(bytes([2]) + pack(feature(Family.SEMANTIC, 1))[1:], Family.SEMANTIC)


def test_a_blob_of_another_family_or_layout_is_refused():
    with pytest.raises(Unreadable, match="CO_VIEW is 3"):
        unpack(pack(feature(Family.SEMANTIC, 1)), Family.CO_VIEW)
    blob = bytearray(pack(feature(Family.SEMANTIC, 1)))
    blob[4] ^= 1
    with pytest.raises(Unreadable, match="layout"):
        unpack(bytes(blob), Family.SEMANTIC)


def test_columns_that_are_not_the_layout_s_are_a_bug_of_the_writer():
    with pytest.raises(Internal, match=r"\['ids'\], not \['ids', 'scores'\]"):
        pack(Packed(Family.SEMANTIC, {"ids": np.zeros(1, np.uint32)}, 1))
    with pytest.raises(Internal, match="'ids': 1, 'scores': 2"):
        pack(Packed(Family.SEMANTIC, {"ids": np.zeros(1, np.uint32), "scores": np.zeros(2, np.float32)}, 1))


@given(st.binary(max_size=200), st.sampled_from(Family))
def test_random_bytes_are_refused_or_read_and_never_anything_else(blob, family):
    with contextlib.suppress(Unreadable):
        unpack(blob, family)


def test_stamps_are_ordered_by_epoch_then_window_then_revision():
    assert Stamp(1, 9, 9) < Stamp(2, 0, 0) < Stamp(2, 1, 0) < Stamp(2, 1, 1)
