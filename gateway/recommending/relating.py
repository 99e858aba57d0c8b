"""Masters like one, without regard to the user: its relations; without any what its title is nearest to; without that
what sells best beside it."""

from uuid import UUID

import numpy as np

from conch.clients.inference import CallOptions, Inference, text_column
from conch.contracts.errors import ConchError, DeadlineExceeded, NotFound, Unavailable
from conch.contracts.features import Family
from conch.contracts.provenance import NO_REASON
from conch.contracts.recommendation import RelatedMaster, RelatedMasters
from conch.contracts.specs import RANKED_MOST
from conch.stores.ids import Kind
from gateway.calls import Call
from gateway.permitted import check_permitted
from gateway.recommending.recommending import MODEL, checked_k
from gateway.recommending.shelf import Shelf, Shelves, number

DEFAULT_K = 10
RELATIONS, NEAREST, CATEGORY_BEST_SELLERS = "relations", "nearest", "category_best_sellers"

Scored = tuple[RelatedMaster, ...]


class Relating:
    def __init__(self, inference: Inference, shelves: Shelves) -> None:
        self._inference = inference
        self._shelves = shelves

    async def related(self, item: str, k: int, call: Call) -> RelatedMasters:
        """Raises NotFound for what is neither a pid nor a master of the catalogue."""
        options = call.asked_by_somebody()
        check_permitted(MODEL, options)
        k = checked_k(k, DEFAULT_K, RANKED_MOST)
        shelf = await self._shelves.of(call.identity.tenant)
        master = shelf.master_of(item)
        if master == NO_REASON:
            raise NotFound(f"item {item[:80]!r} is no pid and no master of the catalogue").about("item")
        found, degraded = await self._shelves.aside(lambda: _relations(shelf, master, k))
        if found:
            return RelatedMasters(found, RELATIONS, degraded)
        if nearest := await self._nearest(shelf, master, k, options):
            return RelatedMasters(nearest, NEAREST, degraded)
        return RelatedMasters(_beside(shelf, master, k), CATEGORY_BEST_SELLERS, degraded)

    async def _nearest(self, shelf: Shelf, master: int, k: int, options: CallOptions) -> Scored:
        """None where the models, the index or the title are not there."""
        titles = shelf.stock.titles
        if titles is None:
            return ()
        try:
            title = await self._shelves.aside(lambda: titles.of(master))
            if not title:
                return ()
            embedded = await self._inference.infer("embedding", {"text": text_column(title)}, call=options)
            # One more: the nearest to a master is itself.
            inputs = {
                "embedding": embedded["embedding"],
                "k": np.array([[min(k + 1, RANKED_MOST)]], np.int32),
                "vector_version": embedded["version"],
            }
            answer = await self._inference.infer("nearest", inputs, call=options)
        except DeadlineExceeded:
            raise
        except ConchError:
            return ()
        masters, scores = answer["masters"][0], answer["similarities"][0]
        return _scored(shelf, masters[masters != master][:k], scores[masters != master][:k])


def _relations(shelf: Shelf, master: int, k: int) -> tuple[Scored, tuple[str, ...]]:
    stock = shelf.stock
    with stock.reading:
        by_family, degraded = stock.reader.related({Family.SEMANTIC: [master]}, shelf.ids, shelf.snapshot)
    related = by_family[Family.SEMANTIC].get(master)
    if related is None:
        return (), tuple(sorted(degraded))
    if k > len(related.masters) and (whole := _all_relations(shelf, master)):
        return whole[:k], tuple(sorted(degraded))
    # A list may be newer than the ids that this host has.
    known = related.masters < shelf.ids.size(Kind.MASTERS)
    return _scored(shelf, related.masters[known][:k], related.scores[known][:k]), tuple(sorted(degraded))


def _all_relations(shelf: Shelf, master: int) -> Scored:
    """What is packed is the first part of them; the durable store has all."""
    try:
        relations = shelf.stock.durable.semantic(UUID(shelf.texts(Kind.MASTERS, number([master]))[0]))
    except Unavailable:
        return ()
    if relations is None:
        return ()
    ranked = sorted(relations.related.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(RelatedMaster(str(other), score) for other, score in ranked)


def _beside(shelf: Shelf, master: int, k: int) -> Scored:
    """Best sellers of its category, or of the first above it that has any."""
    for category in shelf.categories_of(master):
        masters, scores = shelf.catalogue.best_sellers(category)
        first = np.sort(np.unique(masters, return_index=True)[1])
        others = first[(masters[first] != master) & (masters[first] != NO_REASON)]
        if len(others):
            return _scored(shelf, masters[others][:k], scores[others][:k])
    return ()


def _scored(shelf: Shelf, masters: np.ndarray, scores: np.ndarray) -> Scored:  # type: ignore[type-arg]
    names = shelf.texts(Kind.MASTERS, number(masters.tolist()))
    return tuple(RelatedMaster(name, score) for name, score in zip(names, scores.tolist(), strict=True))
