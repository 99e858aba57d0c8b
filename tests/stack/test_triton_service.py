"""What the stack tells Triton."""

from pathlib import Path

from conch.contracts.keys import ADDRESS_VARIABLE, CATALOGUES_VARIABLE
from conch.stack.service import Site
from conch.stack.services.triton import Triton
from conch.stack.state import StateFolder


def test_models_are_told_where_redis_and_the_catalogues_are(tmp_path: Path) -> None:
    triton = {face: f"127.0.0.1:{port}" for face, port in Triton.ports.items()}
    site = Site(StateFolder(tmp_path), addresses={"triton": triton, "redis": {"redis": "127.0.0.1:6379"}})
    told = Triton().launch(site).environment
    assert told[ADDRESS_VARIABLE] == "127.0.0.1:6379"
    assert told[CATALOGUES_VARIABLE] == str(tmp_path / "catalogues")
