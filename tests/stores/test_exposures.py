"""First exposures in a store that several gateways write."""

from collections.abc import Sequence

import pytest

from conch.contracts.keys import CatalogueKeys
from conch.contracts.segments import NEW, RETURNING, Exposure
from conch.stores.exposures import Exposures
from conch.stores.features import Hash, Write
from conch.stores.memory_features import MemoryFeatures

KEYS = CatalogueKeys("shop")
EARLY, LATE = Exposure(NEW, "spring", 5), Exposure(RETURNING, "spring", 9)


@pytest.fixture
def hot() -> MemoryFeatures:
    return MemoryFeatures()


@pytest.fixture
def exposures(hot: MemoryFeatures) -> Exposures:
    return Exposures(KEYS, hot)


def test_what_is_told_is_found_in_both_forms_and_under_its_catalogue_alone(exposures, hot):
    assert exposures.tell({"ana": EARLY}) == 1
    assert exposures.of(["bo", "ana"]) == {"ana": EARLY}
    assert hot.documented("shop:user:segment:ana") == Hash({"segment": NEW, "experiment": "spring", "time": "5"})
    assert Exposures(CatalogueKeys(), hot).of(["ana"]) == {}


@pytest.mark.parametrize("told", [[EARLY, LATE], [LATE, EARLY], [EARLY, LATE, EARLY]])
def test_the_earliest_stands_in_whatever_order_they_are_told(exposures, hot, told):
    for exposure in told:
        exposures.tell({"ana": exposure})
    assert exposures.of(["ana"]) == {"ana": EARLY}
    assert hot.documented(KEYS.segment("ana")) == Hash(EARLY.fields)


@pytest.mark.parametrize("winner", [EARLY, LATE], ids=["early", "late"])
def test_of_two_gateways_that_both_saw_nothing_the_earlier_one_s_stands(hot, winner):
    class Overtaken(MemoryFeatures):
        """Somebody else writes between the look and the write."""

        def write(self, writes: Sequence[Write]) -> Sequence[bool]:
            Exposures(KEYS, hot).tell({"ana": LATE if winner is EARLY else EARLY})
            return hot.write(writes)

    slow = Exposures(KEYS, Overtaken())
    assert slow.tell({"ana": winner}) == (winner is EARLY)
    assert Exposures(KEYS, hot).of(["ana"]) == {"ana": EARLY}


def test_another_experiment_begins_anew(exposures):
    autumn = Exposure(RETURNING, "autumn", 100)
    exposures.tell({"ana": EARLY})
    assert exposures.tell({"ana": autumn}) == 1
    assert exposures.tell({"ana": Exposure(NEW, "autumn", 200)}) == 0
    assert exposures.of(["ana"]) == {"ana": autumn}


def test_one_that_cannot_be_read_is_written_anew(exposures, hot):
    hot.blobs[KEYS.segment("ana")] = b"of another version"
    assert exposures.tell({"ana": LATE}) == 1
    assert exposures.of(["ana"]) == {"ana": LATE}


def test_nobody_is_one_wave_of_nothing(exposures, hot):
    assert (exposures.tell({}), exposures.of([]), hot.reads) == (0, {}, 0)
