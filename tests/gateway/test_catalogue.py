"""Which models are served, to whom."""

from pathlib import Path

from conch.clients.inprocess import InProcessInference
from conch.clients.on_demand import read_on_demand
from conch.contracts.identity import Identity
from conch.rollout.on_demand.states import OnDemandStates
from gateway.catalogue import Catalogue


async def test_models_that_a_call_would_load_are_served_to_those_who_may_call_them(
    models: InProcessInference, tmp_path: Path
) -> None:
    states = OnDemandStates(tmp_path / "on_demand.json")
    catalogue = Catalogue(models, lambda: read_on_demand(states.path))
    loaded = await catalogue.served_to(Identity())
    assert "rare" not in loaded

    states.write({"rare": False})
    assert await catalogue.served_to(Identity()) == sorted([*loaded, "rare"])
    assert await catalogue.served_to(Identity(models=frozenset({"intent"}))) == ["intent"]
    assert await catalogue.served_to(Identity(models=frozenset({"rare"}))) == ["rare"]
