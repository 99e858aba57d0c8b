from conch.stack.failures import Failures, Patience

PATIENCE = Patience(failures=5, delays_s=(0.0, 0.5, 1.0), steady_s=5.0)


def test_each_failure_in_a_row_waits_longer_and_the_fifth_is_the_last():
    failures = Failures(PATIENCE)
    assert [failures.count(0.0) for _ in range(5)] == [0.0, 0.5, 1.0, 1.0, None]


def test_a_service_that_crashes_soon_after_it_was_ready_still_fails_in_a_row():
    failures = Failures(PATIENCE)
    assert [failures.count(4.9) for _ in range(5)][-1] is None


def test_a_service_that_was_well_for_a_while_starts_with_a_clean_record():
    failures = Failures(PATIENCE)
    for _ in range(4):
        failures.count(0.0)
    assert failures.count(5.0) == 0.0
    assert failures.in_a_row == 1
