"""Durable relations and offers: the documented tables, and beside them one packed row an entity.

    CqlRelations       ScyllaDB or Apache Cassandra    (cql_relations.py)
    SqliteRelations    a file of this machine          (sqlite_relations.py)
    MemoryRelations    this process                    (memory_relations.py)

All pass tests/stores/test_relations.py, CQL against a real node in tests/services.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Table(StrEnum):
    """A documented one."""

    SEMANTIC = "master_semantic_relations"
    CO_VIEW = "category_co_view_relations"
    RELATED_CATEGORIES = "category_relations"
    OFFERS = "master_to_pids"


@dataclass(frozen=True, slots=True)
class SemanticRelations:
    """A row of `master_semantic_relations`."""

    related: Mapping[UUID, float]
    """Master → cosine similarity, at most 1,000."""
    inference_ts: datetime
    """With its time zone."""
    inference_source: str
    """Model and version that made them, as "embedding:1"."""


@dataclass(frozen=True, slots=True)
class Offers:
    """A row of `master_to_pids`."""

    pids: Sequence[UUID]
    metadata: Mapping[UUID, str]
    """price:seller:rating."""


@dataclass(frozen=True, slots=True)
class PackedRow:
    key: str
    """The documented Redis key whose packed form this is."""
    blob: bytes
    """contracts/features.py; its stamp decides which of two is newer."""


class Relations(Protocol):
    """Raises Unavailable and nothing else, within the deadline that it was made with."""

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        """Packed rows of documented keys, in order, read side by side. `within_s`: where the caller has less time than
        the deadline."""
        ...

    def write(self, rows: Sequence[PackedRow]) -> None:
        """A row with a newer stamp stays."""
        ...

    def load(self, table: Table, rows: Iterable[tuple[str, ...]], packed: Iterable[PackedRow]) -> None:
        """Many, whatever stands there: a row's columns in the table's order as texts, maps and lists as JSON."""
        ...

    def semantic(self, master: UUID) -> SemanticRelations | None: ...

    def put_semantic(self, master: UUID, relations: SemanticRelations, packed: PackedRow) -> None:
        """The documented row, then the packed one."""
        ...

    def masters(self) -> Iterator[UUID]:
        """That have semantic relations."""
        ...

    def co_view(self, category: str) -> Mapping[str, float]: ...

    def put_co_view(self, category: str, related: Mapping[str, float], packed: PackedRow) -> None: ...

    def related_categories(self, category: str) -> Mapping[str, float]:
        """Of the weekly batch: table `category_relations`."""
        ...

    def put_related_categories(self, category: str, related: Mapping[str, float], packed: PackedRow) -> None: ...

    def offers(self, master: UUID) -> Offers | None: ...

    def put_offers(self, master: UUID, offers: Offers, packed: PackedRow) -> None: ...

    def offered(self) -> Iterator[UUID]:
        """Masters that have offers."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Packed rows."""
        ...

    def close(self) -> None: ...
