"""All that conch.recommend.v1 can do, of one process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from conch.clients.analytics import Analytics
from conch.clients.events import EventLog
from conch.clients.inference import Inference
from conch.recommendation.scenarios import DEFAULT_FILE, Scenarios
from gateway.recommending.best_sellers import SellingBest
from gateway.recommending.exposing import Exposing
from gateway.recommending.recommending import Recommending
from gateway.recommending.relating import Relating
from gateway.recommending.reranking import Reranking
from gateway.recommending.shelf import Shelves
from gateway.recommending.tracking import Tracking


@dataclass(frozen=True, slots=True)
class Recommendations:
    recommending: Recommending
    relating: Relating
    selling_best: SellingBest
    reranking: Reranking
    tracking: Tracking

    @classmethod
    def of(
        cls,
        inference: Inference,
        shelves: Shelves,
        scenarios: str,
        events: EventLog | None,
        analytics: Analytics | None = None,
    ) -> Self:
        """`scenarios` is a file; empty: ours. Raises InvalidRequest for one that is wrong."""
        widgets = Scenarios.read(Path(scenarios) if scenarios else DEFAULT_FILE)
        exposing = Exposing(shelves, widgets.experiment) if widgets.experiment.segments else None
        return cls(
            Recommending(inference, shelves, widgets),
            Relating(inference, shelves),
            SellingBest(shelves),
            Reranking(inference, shelves, widgets),
            Tracking(events, analytics=analytics, exposing=exposing),
        )
