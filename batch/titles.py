"""Titles of masters, each with a hash: a title that has not changed need not be embedded again."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from conch.catalogue.records import Records
from conch.stores.meanings import U4

LONGEST = 1_000
"""Characters; the embedding reads some 190 words."""

DIGEST_BYTES = 16

AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Title:
    master: int
    text: str

    @property
    def digest(self) -> bytes:
        return blake2b(self.text.encode(), digest_size=DIGEST_BYTES).digest()


def titles_of(records: Records, masters: U4) -> Iterator[Title]:
    """In the order of their ids; a master without words in its title has none."""
    for at in range(0, len(masters), AT_ONCE):
        for product in records.products(np.sort(masters)[at : at + AT_ONCE].tolist()):
            text = product.name.strip()[:LONGEST]
            if text:
                yield Title(product.master, text)
