"""What `conch relations` takes; tests/batch runs it."""

import pytest

from conch.cli.relations import seconds_of
from conch.contracts.errors import InvalidRequest


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5_400), ("12h", 43_200), ("30d", 2_592_000), ("0d", 0)])
def test_a_time_is_a_number_and_a_unit(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "12", "h", "-1h", "1.5h", "12 h", "1w", "999999d"])
def test_a_time_that_is_none_is_refused(text):
    with pytest.raises(InvalidRequest, match="as 12h"):
        seconds_of(text)
