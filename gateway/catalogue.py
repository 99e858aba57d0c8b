"""Which models are served now, of all that the server's repository holds."""

from conch.clients.inference import Inference


class Catalogue:
    def __init__(self, inference: Inference) -> None:
        self._inference = inference

    async def served(self) -> list[str]:
        """Their names, sorted. The server's own word, which costs no inference; /health proves it."""
        return sorted({one.name for one in await self._inference.index() if one.ready})
