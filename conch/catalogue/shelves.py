"""The tree of categories while it is brought in: names that lead to one category, parents, and no way round."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from conch.catalogue.articles import Shelf
from conch.contracts.errors import InvalidRequest
from conch.contracts.identifiers import category_key

DEEPEST = 32
"""Categories from a root to a leaf."""

MOST = 1_000_000
"""Categories."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A category of the tree."""

    key: str
    name: str
    alias: str = ""
    parent: str = ""
    """Its key; empty: a root."""


class Shelves:
    def __init__(self, standing: Iterable[Standing] = ()) -> None:
        self._tree: dict[str, Standing] = {}
        self._called: dict[str, str] = {}
        self._said: set[str] = set()
        """Whose parents this import has said."""
        for one in standing:
            self._put(one)

    def __iter__(self) -> Iterator[Standing]:
        return iter(self._tree.values())

    def add(self, shelf: Shelf) -> None:
        """Without its parent, which may stand further down in the file: that is for `stand_under`."""
        known = self._tree.get(shelf.key, Standing(shelf.key, shelf.name))
        self._put(replace(known, name=shelf.name, alias=shelf.alias or known.alias))

    def stand_under(self, key: str, parent: str) -> None:
        """Raises InvalidRequest where that contradicts what this import has said, or leads round."""
        above = self.of(parent)
        before = self._tree[key].parent
        if key in self._said and before == above:
            return
        if key in self._said:
            raise InvalidRequest(f"category {key!r} stands under {before!r}, this row puts it under {above!r}")
        lineage = [key, *self._lineage(above)]
        if key in lineage[1:]:
            raise InvalidRequest(f"categories go round: {' > '.join(lineage[: lineage.index(key, 1) + 1])}")
        if len(lineage) > DEEPEST:
            raise InvalidRequest(f"category {key!r} stands {len(lineage)} deep, at most {DEEPEST}")
        self._said.add(key)
        self._put(replace(self._tree[key], parent=above))

    def of(self, called: str) -> str:
        """The key of what is called so by its key, its alias or its name; a new root where nothing is."""
        if called not in self._called:
            if len(self._tree) >= MOST:
                raise InvalidRequest(f"category {called[:80]!r} is one more than {MOST}")
            key = category_key(called)
            if key not in self._tree:
                self._put(Standing(key, called))
            self._called[called] = key
        return self._called[called]

    def _lineage(self, key: str) -> list[str]:
        lineage = [key]
        while (parent := self._tree[lineage[-1]].parent) and parent not in lineage:
            lineage.append(parent)
        return lineage

    def _put(self, one: Standing) -> None:
        self._tree[one.key] = one
        for word in (one.name, one.alias, one.key):
            if word:
                self._called[word] = one.key

    @property
    def parents(self) -> Mapping[str, str]:
        return {one.key: one.parent for one in self}
