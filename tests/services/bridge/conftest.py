"""The bridge's own fixtures, with Mosquitto in the embedded broker's place."""

from pathlib import Path

import pytest

from tests.bridge.conftest import bare_site, site
from tests.services.bridge.mosquitto import Mosquitto

__all__ = ["bare_site", "site"]


@pytest.fixture
def broker(mosquitto: Path, tmp_path: Path) -> Mosquitto:
    return Mosquitto(mosquitto, tmp_path)
