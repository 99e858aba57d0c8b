"""Several bridges on Mosquitto, as on the embedded broker."""

from tests.bridge.test_several_live import *  # noqa: F403 - one suite, both brokers
