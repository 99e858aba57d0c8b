"""A small LLM for the assistant: llama.cpp's server from the xllamacpp wheel, with SmolLM2 135M.

Answers as a model of its size does; whoever wants better ones names a server of his own to the bridge.
"""

import importlib.util
import sys
from typing import ClassVar

import httpx

from conch.clients.loopback import loopback_client
from conch.contracts.errors import Unavailable
from conch.stack.processes import ProcessMark
from conch.stack.service import Launch, NotYet, Probe, Service, Sick, Site
from conch.weights.cache import WeightCache, default_root
from conch.weights.manifest import Manifest, WeightFile

MODEL = "smollm2"
DEADLINE_S = 20.0
"""It may be busy with two answers, and takes one thread."""


class Llm(Service):
    name: ClassVar[str] = "llm"
    asked_for: ClassVar[bool] = True
    ports: ClassVar[dict[str, int]] = {"http": 8050}
    look_every_s: ClassVar[float] = 15.0

    def prepare(self, site: Site) -> None:
        if importlib.util.find_spec("xllamacpp") is None:
            raise Unavailable("xllamacpp is not installed in this environment: pip install 'conch[llm]'")
        WeightCache(default_root()).verify(_weights())

    def launch(self, site: Site) -> Launch:
        model = WeightCache(default_root()).path(_weights())
        address = site.addresses[self.name]["http"]
        return Launch([sys.executable, "-P", "-m", "conch.stack.llama", str(model), address, MODEL])

    def probe(self, site: Site, process: ProcessMark) -> Probe:
        return LlmProbe(site.addresses[self.name]["http"])


class LlmProbe(Probe):
    """A question is answered, with one token."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def ready(self) -> None:
        try:
            await self._ask()
        except httpx.HTTPError as error:
            raise NotYet(repr(error)) from error

    async def look(self) -> None:
        try:
            await self._ask()
        except httpx.HTTPError as error:
            raise Sick(repr(error), certain=False) from error

    async def _ask(self) -> None:
        question = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        async with loopback_client(self._address, DEADLINE_S) as client:
            answer = await client.post("/v1/chat/completions", json=question)
        answer.raise_for_status()


def _weights() -> WeightFile:
    (file,) = Manifest.read().files_of(MODEL)
    return file
