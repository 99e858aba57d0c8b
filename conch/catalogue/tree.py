"""A made-up tree of categories: departments, aisles, and shelves, on which the goods stand."""

from dataclasses import dataclass

import numpy as np

from conch.contracts.provenance import NO_REASON
from conch.stores.snapshot import U4

DEPARTMENTS = {
    "apparel": ("jackets", "shirts", "jeans", "dresses", "knitwear", "socks"),
    "footwear": ("sneakers", "boots", "sandals", "slippers", "loafers", "heels"),
    "kitchen": ("knives", "pans", "mugs", "kettles", "blenders", "bakeware"),
    "outdoors": ("tents", "backpacks", "lanterns", "stoves", "hammocks", "bottles"),
    "electronics": ("headphones", "cameras", "speakers", "keyboards", "monitors", "chargers"),
    "beauty": ("lotions", "shampoos", "lipsticks", "perfumes", "brushes", "serums"),
    "home": ("lamps", "rugs", "cushions", "curtains", "mirrors", "vases"),
    "garden": ("shovels", "planters", "hoses", "seeds", "gloves", "shears"),
    "toys": ("puzzles", "dolls", "trains", "kites", "blocks", "robots"),
    "sports": ("bicycles", "rackets", "skis", "mats", "helmets", "balls"),
    "books": ("novels", "cookbooks", "atlases", "comics", "poems", "diaries"),
    "groceries": ("teas", "coffees", "pastas", "spices", "honeys", "oils"),
}

STYLES = ("everyday", "travel", "classic", "compact", "premium", "junior", "vintage", "organic")

MASTERS_A_SHELF = 200
MOST_SHELVES = 64
"""Of an aisle."""

SEEN_TOGETHER = 4
"""Shelves that shoppers of a shelf go on to."""


@dataclass(frozen=True, slots=True)
class Tree:
    names: list[str]
    parents: U4
    shelves: int
    """Of each aisle."""
    leaves: U4
    """Numbers of the shelves; those of an aisle stand next to each other."""
    nouns: list[str]
    """Of each leaf."""
    neighbours: U4
    """(leaves, SEEN_TOGETHER): numbers of leaves among `leaves`. The structure that co-view should find."""


def tree_for(masters: int, random: np.random.Generator) -> Tree:
    aisles = sum(map(len, DEPARTMENTS.values()))
    shelves = min(max(masters // (aisles * MASTERS_A_SHELF), 1), MOST_SHELVES)
    names: list[str] = []
    parents: list[int] = []
    leaves: list[int] = []
    nouns: list[str] = []

    def add(name: str, parent: int) -> int:
        names.append(name)
        parents.append(parent)
        return len(names) - 1

    for department, rows in DEPARTMENTS.items():
        top = add(department, NO_REASON)
        for aisle in rows:
            middle = add(f"{department}.{aisle}", top)
            for shelf in range(shelves):
                leaves.append(add(f"{department}.{aisle}.{_style(shelf)}", middle))
                nouns.append(aisle.removesuffix("s"))
    neighbours = _neighbours(len(leaves), shelves, random)
    return Tree(names, np.array(parents, np.uint32), shelves, np.array(leaves, np.uint32), nouns, neighbours)


def _style(shelf: int) -> str:
    lap, style = divmod(shelf, len(STYLES))
    return f"{STYLES[style]}-{lap + 1}" if lap else STYLES[style]


def _neighbours(leaves: int, shelves: int, random: np.random.Generator) -> U4:
    """Half of the same department, half from anywhere."""
    own = np.arange(leaves)[:, None]
    department = 6 * shelves
    near = own // department * department + (own + random.integers(1, department, (leaves, 2))) % department
    far = (own + random.integers(1, leaves, (leaves, SEEN_TOGETHER - 2))) % leaves
    neighbours: U4 = np.concatenate([near, far], axis=1).astype(np.uint32)
    return neighbours
