"""Durable relations of one process, for tests."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from conch.stores.relations import Offers, PackedRow, Relations, SemanticRelations, Table
from conch.stores.rows import typed
from conch.stores.stamps import is_newer


class MemoryRelations(Relations):
    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}
        self._semantic: dict[UUID, SemanticRelations] = {}
        self._co_view: dict[str, Mapping[str, float]] = {}
        self._related: dict[str, Mapping[str, float]] = {}
        self._offers: dict[UUID, Offers] = {}

    def read(self, keys: Sequence[str], within_s: float | None = None) -> Sequence[bytes | None]:
        return [self.rows.get(key) for key in keys]

    def write(self, rows: Sequence[PackedRow]) -> None:
        for row in rows:
            if not is_newer(self.rows.get(row.key), row.blob):
                self.rows[row.key] = row.blob

    def load(self, table: Table, rows: Iterable[tuple[str, ...]], packed: Iterable[PackedRow]) -> None:
        for row in rows:
            key, *values = typed(table, row)
            match table:
                case Table.SEMANTIC:
                    self._semantic[key] = SemanticRelations(*values)
                case Table.OFFERS:
                    self._offers[key] = Offers(*values)
                case Table.CO_VIEW:
                    (self._co_view[key],) = values
                case Table.RELATED_CATEGORIES:
                    (self._related[key],) = values
        self.rows.update((row.key, row.blob) for row in packed)

    def semantic(self, master: UUID) -> SemanticRelations | None:
        return self._semantic.get(master)

    def put_semantic(self, master: UUID, relations: SemanticRelations, packed: PackedRow) -> None:
        if not is_newer(self.rows.get(packed.key), packed.blob):
            self._semantic[master] = relations
            self.write([packed])

    def masters(self) -> Iterator[UUID]:
        yield from list(self._semantic)

    def co_view(self, category: str) -> Mapping[str, float]:
        return self._co_view.get(category, {})

    def put_co_view(self, category: str, related: Mapping[str, float], packed: PackedRow) -> None:
        if not is_newer(self.rows.get(packed.key), packed.blob):
            self._co_view[category] = related
            self.write([packed])

    def related_categories(self, category: str) -> Mapping[str, float]:
        return self._related.get(category, {})

    def put_related_categories(self, category: str, related: Mapping[str, float], packed: PackedRow) -> None:
        if not is_newer(self.rows.get(packed.key), packed.blob):
            self._related[category] = related
            self.write([packed])

    def offers(self, master: UUID) -> Offers | None:
        return self._offers.get(master)

    def put_offers(self, master: UUID, offers: Offers, packed: PackedRow) -> None:
        if not is_newer(self.rows.get(packed.key), packed.blob):
            self._offers[master] = offers
            self.write([packed])

    def offered(self) -> Iterator[UUID]:
        yield from list(self._offers)

    def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.rows.pop(key, None)

    def close(self) -> None:
        pass
