"""Which versions of a model there are, which of them Triton serves, and which one its callers get."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from conch.contracts.errors import Internal, InvalidRequest, NotFound, Unavailable
from conch.durable import sync_folder, write_json
from conch.rollout.fence import fenced

CHAMPION = "champion"
NAMED = ("challenger", "shadow")
"""Aliases that somebody sets; the champion changes by publishing and by rolling back."""


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """`champion` is always the greatest of `serving`: to callers who name no version Triton gives that one."""

    model: str
    champion: int
    serving: tuple[int, ...]
    known: tuple[int, ...]
    """All that may be served; their folders stay."""
    published: tuple[int, ...] = ()
    """Of `known`, those that came by publishing; the others come from the repository at each start."""
    before: tuple[int, ...] = ()
    """Former champions, the last one last: what a rollback goes back to."""
    generation: int = 0
    """Steps with each change, so that nobody overwrites what he has not seen."""
    named: Mapping[str, int] = field(default_factory=dict)
    """Versions by alias, beside the champion; nobody is served by them."""

    @property
    def next_version(self) -> int:
        return max(self.known) + 1

    @property
    def aliases(self) -> dict[str, int]:
        return {CHAMPION: self.champion, **self.named}

    def promoted(self, version: int) -> ModelRecord:
        """`version` serves; those that did are warm."""
        return replace(
            self,
            champion=version,
            serving=tuple(sorted({*self.serving, version})),
            known=(*self.known, version),
            published=(*self.published, version),
            before=(*self.before, self.champion),
        )

    def rolled_back(self, version: int) -> ModelRecord:
        """`version` serves alone; those after it stay known."""
        before = self.before[: self.before.index(version)] if version in self.before else (*self.before, self.champion)
        return replace(self, champion=version, serving=(version,), before=before)

    def naming(self, alias: str, version: int | None) -> ModelRecord:
        """None takes the alias away."""
        if alias not in NAMED:
            raise InvalidRequest(f"{alias!r} is no alias that can be set; there are {', '.join(NAMED)}")
        others = {name: number for name, number in self.named.items() if name != alias}
        return replace(self, named=others if version is None else {**others, alias: self.target(version)})

    def target(self, version: int | None) -> int:
        """Of a rollback. Raises NotFound where there is nothing to go back to."""
        if version is None:
            if not self.before:
                raise NotFound(f"model {self.model} has had no champion before version {self.champion}")
            return self.before[-1]
        if version not in self.known:
            raise NotFound(f"model {self.model} has no version {version}; it has {', '.join(map(str, self.known))}")
        return version


class Records:
    """One file a model, replaced whole; what several models get in one step stands in one file for all, at first."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._together = root.with_name("together.json")

    def read(self, model: str) -> ModelRecord | None:
        own = _read(self._root / f"{model}.json")
        return next((one for one in self._unsettled() if one.model == model and _is_newer(one, own)), own)

    def all(self) -> list[ModelRecord]:
        models = {path.stem for path in self._root.glob("*.json")} | {one.model for one in self._unsettled()}
        return [record for model in sorted(models) if (record := self.read(model)) is not None]

    def forget(self, model: str) -> None:
        self.settle()
        path = self._root / f"{model}.json"
        if path.is_file():
            path.unlink()
            sync_folder(path.parent)

    def write(self, record: ModelRecord) -> ModelRecord:
        """Compare and set: raises Unavailable where another than the one `record` was made from is there."""
        self.settle()
        written = self._following(record)
        write_json(self._root / f"{record.model}.json", asdict(written))
        return written

    def write_together(self, records: Sequence[ModelRecord]) -> list[ModelRecord]:
        """As `write`, all or none: whoever reads sees every one of them, or none, from one moment to the next."""
        self.settle()
        written = [self._following(one) for one in records]
        write_json(self._together, [asdict(one) for one in written])
        return written

    def settle(self) -> None:
        """Each into its own file; they count already. Safe to be ended at any step, and to repeat."""
        fenced()
        for one in self._unsettled():
            if _is_newer(one, _read(self._root / f"{one.model}.json")):
                write_json(self._root / f"{one.model}.json", asdict(one))
        if self._together.is_file():
            self._together.unlink()
            sync_folder(self._together.parent)

    def _following(self, record: ModelRecord) -> ModelRecord:
        found = self.read(record.model)
        if (found.generation if found else 0) != record.generation:
            raise Unavailable(
                f"model {record.model} is at generation {found.generation if found else 0}, "
                f"this change was made from {record.generation}"
            )
        return replace(record, generation=record.generation + 1)

    def _unsettled(self) -> list[ModelRecord]:
        try:
            return [_decoded(one) for one in json.loads(self._together.read_text(encoding="utf-8"))]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, AttributeError) as error:
            raise Internal(f"{self._together} cannot be read: {error!r}") from error


def _is_newer(one: ModelRecord, other: ModelRecord | None) -> bool:
    return other is None or one.generation > other.generation


def _read(path: Path) -> ModelRecord | None:
    try:
        return _decoded(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError) as error:
        raise Internal(f"{path} cannot be read: {error!r}") from error


def _decoded(document: Any) -> ModelRecord:
    lists = {name: tuple(value) for name, value in document.items() if isinstance(value, list)}
    return ModelRecord(**{**document, **lists})
