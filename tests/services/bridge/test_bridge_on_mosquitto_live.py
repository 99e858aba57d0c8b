"""Everything that the bridge does on the embedded broker it does on Mosquitto."""

from tests.bridge.test_bridge_live import *  # noqa: F403 - one suite, both brokers
