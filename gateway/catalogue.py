"""Which models are served now, of all that the server's repository holds, to one caller."""

from collections.abc import Callable, Collection

from conch.clients.inference import Inference
from conch.contracts.identity import Identity


class Catalogue:
    def __init__(self, inference: Inference, on_demand: Callable[[], Collection[str]] = tuple) -> None:
        """`on_demand` are models that a call would load."""
        self._inference = inference
        self._on_demand = on_demand

    async def served_to(self, caller: Identity) -> list[str]:
        """Their names, sorted. The server's own word, which costs no inference; /health proves it."""
        served = {one.name for one in await self._inference.index() if one.ready} | set(self._on_demand())
        return sorted(served if caller.models is None else served & caller.models)
