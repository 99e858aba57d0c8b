"""Rows of the documented tables as a load brings them, texts and JSON, made into what CQL calls their types."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from conch.stores.relations import Table

Typed = tuple[Any, ...]


def typed(table: Table, row: tuple[str, ...]) -> Typed:
    return _TYPED[table](*row)


def _semantic(master: str, related: str, made: str, source: str) -> Typed:
    scores = {UUID(other): score for other, score in json.loads(related).items()}
    return UUID(master), scores, datetime.fromisoformat(made), source


def _categories(category: str, related: str) -> Typed:
    return category, json.loads(related)


def _offers(master: str, pids: str, metadata: str) -> Typed:
    said = {UUID(pid): text for pid, text in json.loads(metadata).items()}
    return UUID(master), [UUID(pid) for pid in json.loads(pids)], said


_TYPED: Mapping[Table, Callable[..., Typed]] = {
    Table.SEMANTIC: _semantic,
    Table.CO_VIEW: _categories,
    Table.RELATED_CATEGORIES: _categories,
    Table.OFFERS: _offers,
}
