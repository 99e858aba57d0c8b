"""Named configurations of a recommendation: what a widget mixes, how it ranks, and what a variant of it changes.

Read from TOML and checked whole before anything is served; conch/recommendation/scenarios.toml is the default.
"""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

from conch.contracts.errors import InvalidRequest, NotFound
from conch.contracts.experiments import Experiment
from conch.contracts.specs import CANDIDATES_MOST, RANKED_MOST

DEFAULT_FILE = Path(__file__).with_name("scenarios.toml")

VIEWS_MOST = 20
CATEGORIES_MOST = 200
"""That one request looks at."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Weights of the sources; they are divided by their sum."""

    semantic: float = 0.6
    category: float = 0.4
    co_view: float = 0.0

    recency: float = 0.8
    """Weight of the i-th last view is recency^i."""
    views: int = 20
    """Last views that are looked at."""
    category_viewed: float = 1.0
    category_co_viewed: float = 0.5
    category_liked: float = 0.7
    """Weights of a category by how it came in."""
    categories: int = 30
    """That are looked at, the heaviest first."""
    half_life_h: float = 0.0
    """Interest in a category halves in so many hours when it is read; 0: as it was written."""
    live_co_view: bool = True
    """False: the weekly batch's related categories alone."""


@dataclass(frozen=True, slots=True)
class Ranking:
    k: int = 50
    flash_bonus: float = 2.0
    sponsored: bool = False
    """Bids count, and only offers with a live bid stand in the sponsored slots."""
    sponsored_slots: int = 0
    seller_cap: int = 0
    brand_cap: int = 0
    category_cap: int = 0
    """Items of one seller, brand or leaf category among the k; 0: no cap."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One widget, in one variant."""

    widget: str
    variant: str
    mix: Mix = Mix()
    ranking: Ranking = Ranking()
    timeout_ms: int = 200
    """For all reads of one answer; what did not come by then is left out, and said so. Requests that are answered
    together wait as long as the least patient of them."""
    candidates: int = CANDIDATES_MOST


Settings = TypeVar("Settings", Mix, Ranking, Scenario)


@dataclass(frozen=True)
class Scenarios:
    widgets: Mapping[str, Scenario]
    """The first is the default."""
    changes: Mapping[str, Mapping[str, Any]]
    """By variant: what it changes in every widget."""
    experiment: Experiment

    @classmethod
    def read(cls, path: Path = DEFAULT_FILE) -> Self:
        """Raises InvalidRequest that names the file, the key and what is wrong with it."""
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidRequest(f"{path.name} cannot be read: {error}") from error
        try:
            return cls._of(content)
        except InvalidRequest as error:
            raise InvalidRequest(f"{path.name}: {error.message}") from error

    @classmethod
    def _of(cls, content: Mapping[str, Any]) -> Self:
        _known("the file", content, {"widgets", "experiment"})
        widgets = _table("widgets", content.get("widgets"))
        if not widgets:
            raise InvalidRequest("widgets is empty, at least 1 is needed")
        experiment = Experiment.of(_table("experiment", content.get("experiment", {})))
        arms = _table("experiment.arms", content.get("experiment", {}).get("arms", {}))
        changes = {name: _changes_of(f"experiment.arms.{name}", _table(name, arm)) for name, arm in arms.items()}
        base = {name: _scenario(name, _table(f"widgets.{name}", table)) for name, table in widgets.items()}
        scenarios = cls(base, changes, experiment)
        for widget in base:
            for variant in experiment.variants:
                scenarios.scenario(widget, variant)
        return scenarios

    @cached_property
    def default_widget(self) -> str:
        return next(iter(self.widgets))

    @cached_property
    def _made(self) -> dict[tuple[str, str], Scenario]:
        """As many as there are widgets and variants: what is none of ours is never kept."""
        return {}

    def scenario(self, widget: str = "", variant: str = "") -> Scenario:
        """Raises NotFound for a widget or a variant that is none of ours."""
        made = self._made.get((widget, variant))
        if made is None:
            made = self._made[widget, variant] = self._make(widget, variant)
        return made

    def _make(self, widget: str, variant: str) -> Scenario:
        name = widget or self.default_widget
        if name not in self.widgets:
            raise NotFound(f"widget {name[:80]!r} is none of {', '.join(self.widgets)}").about("widget")
        chosen = variant or self.experiment.control
        if chosen not in self.experiment.variants:
            raise NotFound(f"variant {chosen[:80]!r} is none of {', '.join(self.experiment.variants)}").about("variant")
        return _changed(replace(self.widgets[name], variant=chosen), self.changes.get(chosen, {}))


def _scenario(name: str, table: Mapping[str, Any]) -> Scenario:
    return _changed(Scenario(name, ""), table, f"widgets.{name}")


def _changes_of(where: str, table: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in table.items() if key != "share"} | {"where": where}


def _changed(scenario: Scenario, table: Mapping[str, Any], where: str = "") -> Scenario:
    where = where or str(table.get("where", ""))
    _known(where, table, {"mix", "ranking", "timeout_ms", "candidates", "where"})
    mix = _replaced(f"{where}.mix", scenario.mix, _table(f"{where}.mix", table.get("mix", {})))
    ranking = _replaced(f"{where}.ranking", scenario.ranking, _table(f"{where}.ranking", table.get("ranking", {})))
    whole = {key: table[key] for key in ("timeout_ms", "candidates") if key in table}
    changed = _replaced(where, replace(scenario, mix=mix, ranking=ranking), whole)
    _check(where, changed)
    return changed


def _check(where: str, scenario: Scenario) -> None:
    mix, ranking = scenario.mix, scenario.ranking
    if mix.semantic + mix.category + mix.co_view <= 0:
        raise InvalidRequest(f"{where}.mix has the weights 0, 0 and 0, one must be above 0")
    bounds: Sequence[tuple[str, float, float, float]] = (
        ("timeout_ms", scenario.timeout_ms, 1, 60_000),
        ("candidates", scenario.candidates, 1, CANDIDATES_MOST),
        ("ranking.k", ranking.k, 1, RANKED_MOST),
        ("ranking.sponsored_slots", ranking.sponsored_slots, 0, ranking.k),
        ("mix.recency", mix.recency, 0, 1),
        ("mix.views", mix.views, 0, VIEWS_MOST),
        ("mix.categories", mix.categories, 0, CATEGORIES_MOST),
    )
    for key, value, least, most in bounds:
        if not least <= value <= most:
            raise InvalidRequest(f"{where}.{key} is {value}, it must be from {least} to {most}")


def _replaced(where: str, settings: Settings, table: Mapping[str, Any]) -> Settings:
    """`settings` with what the table says, each value of the kind that stands there."""
    kinds = {field.name: type(getattr(settings, field.name)) for field in fields(settings)}
    _known(where, table, kinds)
    for key, value in table.items():
        kind = kinds[key]
        fits = (
            isinstance(value, bool) if kind is bool else isinstance(value, int | float) and not isinstance(value, bool)
        )
        if not fits or (kind is int and not isinstance(value, int)):
            raise InvalidRequest(f"{where}.{key} is {value!r}, not of type {kind.__name__}")
        if kind is not bool and (not math.isfinite(value) or value < 0):
            raise InvalidRequest(f"{where}.{key} is {value}, it must be a number from 0")
    return replace(settings, **{key: kinds[key](value) for key, value in table.items()})


def _table(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{where} is {value!r}, not a table")
    return value


def _known(where: str, table: Mapping[str, Any], known: Mapping[str, Any] | set[str]) -> None:
    for key in table:
        if key not in known:
            raise InvalidRequest(f"{where} has {key!r}, which is none of {', '.join(sorted(known))}")
