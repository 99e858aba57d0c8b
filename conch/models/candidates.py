"""Up to 1,000 masters that a shopper may like, out of millions: read in two waves, merged by a kernel.

The rules are conch/recommendation/, what is read and who answers in whose place conch/stores/reading.py. The catalogue
is the caller's tenant's, never a tensor's.
"""

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Self
from uuid import uuid4

import numpy as np

from conch.contracts.errors import ConchError, InvalidRequest
from conch.contracts.features import Family
from conch.contracts.identifiers import uuids_of
from conch.contracts.provenance import NO_REASON
from conch.contracts.segments import UNKNOWN
from conch.contracts.specs import CANDIDATES, CANDIDATES_MOST
from conch.contracts.summary import Standing, Summary
from conch.models.base import Array, Arrays, Count, ModelContext, RaggedModel, Row, scalar, strings, uncounted
from conch.models.shop import Shop, Shops, tell_degraded
from conch.recommendation.explaining import explained
from conch.recommendation.interests import CO_VIEW, SEMANTIC, About, Interests, Profile, interests
from conch.recommendation.merging import U4
from conch.recommendation.scenarios import Scenario, Scenarios
from conch.recommendation.segmenting import segment_in
from conch.recommendation.shopping import Answer, Known, candidates, out
from conch.stores.attempts import Damaged
from conch.stores.ids import Kind

NO_SEGMENTS = "redis: what users are to the experiment is not known, its control is served"

MOST_EXCLUDED = 100_000
MOST_CHARACTERS = 200
"""Of a user's id."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A row, read and checked."""

    row: Row
    user: str
    scenario: Scenario
    item: int
    category: int
    excluded: U4
    most: int
    explain: str
    segment: str = ""
    """What the user is to an experiment that has segments."""


class Candidates(RaggedModel):
    spec = CANDIDATES

    def __init__(self, shops: Shops, scenarios: Scenarios, count: Count = uncounted) -> None:
        self._shops = shops
        self._scenarios = scenarios
        self._count = count

    @classmethod
    def load(cls, context: ModelContext) -> Self:
        file = context.parameters.get("scenarios", "")
        scenarios = Scenarios.read(Path(file)) if file else Scenarios.read()
        shops = Shops.of_environment(hears=attrgetter("features_packed"))
        shops.open()
        model = cls(shops, scenarios, context.count)
        model.predict([Row({"user": strings([""])})])
        # What is loaded by now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        return model

    def predict(self, rows: Sequence[Row]) -> Sequence[Arrays | ConchError]:
        answers: list[Arrays | ConchError | None] = [None] * len(rows)
        places: dict[str, list[int]] = {}
        for place, row in enumerate(rows):
            places.setdefault(row.identity.tenant, []).append(place)
        for catalogue, own in places.items():
            for place, answer in zip(own, self._of_catalogue(catalogue, [rows[place] for place in own]), strict=True):
                answers[place] = answer
        return [answer for answer in answers if answer is not None]

    def close(self) -> None:
        self._shops.close()

    def _of_catalogue(self, catalogue: str, rows: Sequence[Row]) -> Sequence[Arrays | ConchError]:
        try:
            shop = self._shops.of(catalogue)
        except Damaged as error:
            tell_degraded(self._count, ["catalogue: damaged"], len(rows))
            return [error] * len(rows)
        return self._answers(shop, rows)

    def _answers(self, shop: Shop, rows: Sequence[Row]) -> Sequence[Arrays | ConchError]:
        """All rows of one catalogue: what they need is read together."""
        shop.refresh()
        shop.forget_changed()
        wishes = [self._wish(shop, row) for row in rows]
        good: Sequence[Wish] = [wish for wish in wishes if isinstance(wish, Wish)]
        began = time.monotonic()
        profiles, good, degraded = self._profiles(shop, good, began + _patience_s(good))
        left_s = _patience_s(good) - (time.monotonic() - began)
        now_ms = time.time_ns() // 1_000_000
        asked = [
            About(profile, wish.scenario.mix, wish.item, wish.category)
            for wish, profile in zip(good, profiles, strict=True)
        ]
        wanted = interests(asked, shop.catalogue.tables, now_ms)
        # What was computed in between is not the stores' to answer for.
        known, more = self._known(shop, wanted, time.monotonic() + left_s)
        told = sorted({*degraded, *more, *shop.degraded()})
        shop.tell(self._count)
        tell_degraded(self._count, told, len(good))
        excluded = [out(profile, wish.item, wish.excluded) for wish, profile in zip(good, profiles, strict=True)]
        found = candidates(wanted, known, shop.catalogue, excluded, [wish.most for wish in good])
        answered = iter(
            [
                _sent(shop, wish, profile, answer, told)
                for wish, profile, answer in zip(good, profiles, found, strict=True)
            ]
        )
        return [next(answered) if isinstance(wish, Wish) else wish for wish in wishes]

    def _profiles(
        self, shop: Shop, wishes: Sequence[Wish], until: float
    ) -> tuple[Sequence[Profile], Sequence[Wish], set[str]]:
        """The first wave, wishes as they stand after it, and what was down."""
        users, experiment = [wish.user for wish in wishes], self._scenarios.experiment
        if not experiment.segments:
            profiles, degraded = shop.reader.profiles(users, until)
            return profiles, wishes, degraded
        shoppers = shop.reader.shoppers(users, until)
        segments = [
            segment_in(experiment, profile, exposure, is_all=shoppers.are_all) if user else ""
            for user, profile, exposure in zip(users, shoppers.profiles, shoppers.exposures, strict=True)
        ]
        degraded = shoppers.degraded | ({NO_SEGMENTS} if UNKNOWN in segments else set())
        assigned = [self._assigned(wish, segment) for wish, segment in zip(wishes, segments, strict=True)]
        return shoppers.profiles, assigned, degraded

    def _assigned(self, wish: Wish, segment: str) -> Wish:
        """With the variant that a user of that segment sees, unless the caller has named one."""
        if wish.row.text("variant"):
            return replace(wish, segment=segment)
        variant = self._scenarios.experiment.variant(wish.user, segment)
        scenario = self._scenarios.scenario(wish.scenario.widget, variant)
        most = wish.most if "candidates" in wish.row else scenario.candidates
        return replace(wish, segment=segment, scenario=scenario, most=most)

    def _wish(self, shop: Shop, row: Row) -> Wish | ConchError:
        try:
            user = row.text("user")
            if len(user) > MOST_CHARACTERS:
                raise InvalidRequest(f"user has {len(user)} characters, at most {MOST_CHARACTERS}").about("user")
            if user:
                # Refused by itself: what no key can be made of would fail the whole batch.
                shop.keys.profile(user)
            # Of an experiment that has segments it is the control, until what is known of the user is read.
            variant = row.text("variant") or self._scenarios.experiment.variant(user)
            scenario = self._scenarios.scenario(row.text("widget"), variant)
            most = int(row["candidates"].item()) if "candidates" in row else scenario.candidates
            if not 1 <= most <= CANDIDATES_MOST:
                raise InvalidRequest(f"candidates is {most}, it must be from 1 to {CANDIDATES_MOST}").about(
                    "candidates"
                )
            return Wish(
                row=row,
                user=user,
                scenario=scenario,
                item=shop.master_of(row.text("item")),
                category=shop.category_of(row.text("category")),
                excluded=_excluded(shop, row),
                most=most,
                explain=row.text("explain"),
            )
        except ConchError as error:
            return error

    def _known(self, shop: Shop, wanted: Interests, until: float) -> tuple[Known, set[str]]:
        semantic, co_viewed = (wanted.masters_by(column) for column in (SEMANTIC, CO_VIEW))
        related, degraded = shop.reader.related(
            {Family.SEMANTIC: semantic, Family.MASTER_CO_VIEW: co_viewed}, shop.ids, shop.snapshot, until
        )
        return Known(related[Family.SEMANTIC], related[Family.MASTER_CO_VIEW]), degraded


def _patience_s(wishes: Sequence[Wish]) -> float:
    """They are read together: the least patient of them decides for all."""
    return min((wish.scenario.timeout_ms for wish in wishes), default=0) / 1000


def _sent(shop: Shop, wish: Wish, profile: Profile, answer: Answer, degraded: Sequence[str]) -> Arrays:
    pool, variant, fallback, recommendation_id = answer.pool, wish.scenario.variant, answer.fallback, str(uuid4())
    standing = _standing(shop, wish, profile, answer) if wish.explain else None

    def summary() -> Summary:
        return Summary(
            recommendation_id=recommendation_id,
            widget=wish.scenario.widget,
            variant=variant,
            segment=wish.segment,
            fallback=fallback,
            degraded=tuple(degraded),
            explanation=standing,
        )

    return wish.row.answer(
        {
            "masters": lambda: pool.masters,
            "scores": lambda: pool.scores,
            "sources": lambda: pool.sources,
            "parts": lambda: pool.parts,
            "reasons": lambda: pool.reasons,
            "pool": lambda: pool.rows,
            "summary": lambda: strings([summary().encode()]),
            "generation": lambda: scalar(shop.ids.generation, np.uint32),
            "recommendation_id": lambda: strings([recommendation_id]),
            "assigned_variant": lambda: strings([variant]),
            "fallback": lambda: strings([fallback]),
            "degraded": lambda: strings(degraded),
            "explanation": lambda: strings([standing.encode() if standing else ""]),
        }
    )


def _excluded(shop: Shop, row: Row) -> U4:
    if "exclude" not in row:
        return np.zeros(0, np.uint32)
    keys: Array = row["exclude"]
    if len(keys) > MOST_EXCLUDED:
        raise InvalidRequest(f"exclude has {len(keys)} ids, at most {MOST_EXCLUDED}").about("exclude")
    uuids = uuids_of(shop.name, [str(key) for key in keys])
    pids = shop.ids.look_up(Kind.PIDS, uuids)
    masters = shop.ids.look_up(Kind.MASTERS, uuids)
    return np.concatenate([masters[masters != NO_REASON], shop.masters_of(pids[pids != NO_REASON])])


def _standing(shop: Shop, wish: Wish, profile: Profile, answer: Answer) -> Standing:
    return explained(shop.master_of(wish.explain), profile, wish.item, wish.excluded, answer.pool)
