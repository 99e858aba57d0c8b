"""The ensemble `recommend` and its two models in this process: the real ones, without Triton."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from conch.clients.inference import Arrays, CallOptions
from conch.clients.inprocess import InProcessInference
from conch.contracts.errors import ConchError
from conch.contracts.identity import Identity
from conch.contracts.specs import MODELS, NEAREST
from conch.models.base import Row
from conch.models.candidates import Candidates
from conch.models.promo_ranker import PromoRanker
from conch.models.shop import Shops
from conch.recommendation.scenarios import DEFAULT_FILE, Scenarios
from tests.recommend_spec import RECOMMEND

SPECS = {**MODELS, "recommend": RECOMMEND, "nearest": NEAREST}


class RecommendTwin:
    """`inference` has both; closed by `close`."""

    def __init__(self, environment: Mapping[str, str], file: Path = DEFAULT_FILE) -> None:
        scenarios = Scenarios.read(file)
        self._candidates = Candidates(Shops.of_environment(environment), scenarios)
        self._ranker = PromoRanker(Shops.of_environment(environment), scenarios)
        functions: dict[str, Any] = {"recommend": self.recommend, "promo_ranker": self.rank}
        self.inference = InProcessInference(functions, SPECS)

    def recommend(self, inputs: Arrays, call: CallOptions) -> Arrays:
        own = {name: array for name, array in inputs.items() if name not in ("k", "strict")}
        found = _one(self._candidates, own, call, "pool", "summary")
        wanted = {name: array for name, array in inputs.items() if name in ("k", "strict")}
        return _one(self._ranker, {**found, **wanted}, call, "items", "summary")

    def rank(self, inputs: Arrays, call: CallOptions) -> Arrays:
        return _one(self._ranker, inputs, call)

    def close(self) -> None:
        self._candidates.close()
        self._ranker.close()


def _one(model: Candidates | PromoRanker, inputs: Arrays, call: CallOptions, *outputs: str) -> Arrays:
    """Without `outputs` it makes all it has."""
    row = Row({name: array[0] for name, array in inputs.items()}, Identity(tenant=call.tenant), frozenset(outputs))
    (answer,) = model.predict([row])
    if isinstance(answer, ConchError):
        raise answer
    return {name: np.asarray(array)[np.newaxis] for name, array in answer.items()}
