import mmap
import uuid
from pathlib import Path

import pytest

from conch.stack.shm import PREFIX, SHM, prefix_of, sweep


@pytest.fixture
def prefix(tmp_path):
    prefix = prefix_of(tmp_path)
    yield prefix
    for path in SHM.glob(f"{prefix}*"):
        path.unlink()


def region(prefix):
    path = SHM / f"{prefix}{uuid.uuid4()}"
    path.write_bytes(bytes(mmap.PAGESIZE))
    return path


def test_each_state_folder_has_regions_of_its_own():
    assert prefix_of(Path("/a")).startswith(PREFIX)
    assert prefix_of(Path("/a")) != prefix_of(Path("/b"))


def test_regions_that_nobody_maps_are_removed_and_the_others_stay(prefix):
    mapped, unmapped = region(prefix), region(prefix)
    with mapped.open("r+b") as file, mmap.mmap(file.fileno(), mmap.PAGESIZE):
        assert sweep(prefix) == 1
        assert mapped.exists()
        assert not unmapped.exists()
    assert sweep(prefix) == 1


def test_regions_that_are_young_may_be_about_to_be_mapped(prefix):
    young = region(prefix)
    assert sweep(prefix, older_than_s=60) == 0
    assert young.exists()
