"""Made-up goods: masters with their popularity, and what each of their sellers asks for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from conch.catalogue.tree import Tree
from conch.contracts.identifiers import Uuids
from conch.stores.snapshot import F4, U1, U4

MEANING = 16
"""Dimensions of what stands in for the meaning of a title."""

IN_STOCK = 0.95
MOST_OFFERS = 6

_LOOKS = ("Amber", "Blue", "Coral", "Grey", "Green", "Ivory", "Navy", "Plum", "Red", "Silver", "Teal", "White")
_STUFFS = (
    "Bamboo",
    "Canvas",
    "Cedar",
    "Cotton",
    "Glass",
    "Leather",
    "Linen",
    "Steel",
    "Stone",
    "Walnut",
    "Wool",
    "Zinc",
)


@dataclass(frozen=True, slots=True)
class Goods:
    """Rows are masters, or offers; an offer names its master by its row."""

    uuids: Uuids
    leaf: U4
    """Row of the tree's leaves."""
    brand: U4
    popularity: npt.NDArray[np.float64]
    """Zipf's; it adds up to 1."""
    meaning: F4
    """(masters, MEANING), of unit length: near within a category, nearer within a brand."""
    look: npt.NDArray[np.int64]
    pids: Uuids
    offered: U4
    """By offer: its master. Offers of a master stand together."""
    price: F4
    seller: U4
    rating: F4
    stock: U1
    brands: list[str]
    sellers: list[str]

    def titles(self, tree: Tree) -> Iterator[str]:
        for number, (look, leaf, brand) in enumerate(
            zip(self.look.tolist(), self.leaf.tolist(), self.brand.tolist(), strict=True)
        ):
            stuff, colour = divmod(look, len(_LOOKS))
            noun = tree.nouns[leaf].capitalize()
            yield f"{self.brands[brand]} {_LOOKS[colour]} {_STUFFS[stuff]} {noun} {number}"


def goods_for(masters: int, tree: Tree, random: np.random.Generator) -> Goods:
    leaves = len(tree.leaves)
    # Each shelf has something; beyond that large shelves are few, small ones many.
    leaf = np.concatenate([np.arange(leaves), random.choice(leaves, masters, p=_zipf(leaves, 0.6, random))])[:masters]
    brands = min(max(masters // 200, 24), 5_000)
    brand = (leaf * 7 + random.integers(0, 24, masters)) % brands
    look = random.integers(0, len(_LOOKS) * len(_STUFFS), masters)
    popularity = _zipf(masters, 1.05, random)
    return Goods(
        uuids=_uuids(masters, random),
        leaf=leaf.astype(np.uint32),
        brand=brand.astype(np.uint32),
        popularity=popularity,
        meaning=_meanings(leaf, brand, leaves, brands, random),
        look=look,
        brands=[f"Brand{number}" for number in range(brands)],
        **_offers(masters, leaf, popularity, random),
    )


def _offers(
    masters: int, leaf: npt.NDArray[np.int64], popularity: npt.NDArray[np.float64], random: np.random.Generator
) -> dict[str, Any]:
    """What is popular has more sellers."""
    rank = np.empty(masters)
    rank[np.argsort(-popularity, kind="stable")] = np.arange(masters) / masters
    offers = np.minimum(1 + random.poisson(2.5 - 1.5 * rank), MOST_OFFERS)
    offered = np.repeat(np.arange(masters), offers)
    sellers = min(max(masters // 500, 8), 2_000)
    usual = np.exp(random.normal(3.2, 0.6, leaf.max() + 1))[leaf] * np.exp(random.normal(0, 0.4, masters))
    price = usual[offered] * random.uniform(0.85, 1.2, len(offered))
    return {
        "pids": _uuids(len(offered), random),
        "offered": offered.astype(np.uint32),
        "price": np.maximum(np.round(price, 2), 0.5).astype(np.float32),
        "seller": random.choice(sellers, len(offered), p=_zipf(sellers, 0.8, random)).astype(np.uint32),
        "rating": np.round(5 * random.beta(8, 2, len(offered)), 1).astype(np.float32),
        "stock": (random.random(len(offered)) < IN_STOCK).astype(np.uint8),
        "sellers": [f"seller-{number}" for number in range(sellers)],
    }


def _meanings(
    leaf: npt.NDArray[np.int64], brand: npt.NDArray[np.int64], leaves: int, brands: int, random: np.random.Generator
) -> F4:
    meaning = random.standard_normal((len(leaf), MEANING), np.float32)
    meaning *= 0.5
    meaning += random.standard_normal((leaves, MEANING), np.float32)[leaf]
    meaning += 0.5 * random.standard_normal((brands, MEANING), np.float32)[brand]
    meaning /= np.linalg.norm(meaning, axis=1, keepdims=True)
    return meaning


def _zipf(number: int, exponent: float, random: np.random.Generator) -> npt.NDArray[np.float64]:
    weights = 1.0 / (np.arange(number) + 3.0) ** exponent
    shuffled = random.permutation(weights)
    shares: npt.NDArray[np.float64] = shuffled / shuffled.sum()
    return shares


def _uuids(number: int, random: np.random.Generator) -> Uuids:
    uuids = random.integers(0, 256, (number, 16), np.uint8)
    # Version 4 of RFC 9562.
    uuids[:, 6] = uuids[:, 6] & 0x0F | 0x40
    uuids[:, 8] = uuids[:, 8] & 0x3F | 0x80
    return uuids
