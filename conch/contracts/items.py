"""An item of a ranked list as it leaves Triton: a record of ITEM_BYTES bytes, little-endian and without gaps.

`items` of promo_ranker and of the ensemble `recommend` is UINT8 [n, ITEM_BYTES]: an item a row, the first comes first.
What an item has stands in one tensor, because a tensor costs what it costs however little is in it.

    byte  field        type      what
       0  pid_uuid     16 bytes  of the offer, as RFC 9562 writes it
      16  master_uuid  16 bytes
      32  pid          u32       dense id of the offer, in the generation of ids that answered
      36  score        f32       after promos, and after the bid in a sponsored slot
      40  price        f32       0: unknown
      44  changes      u32       provenance.Change
      48  adjustments  3 f32     provenance.CHANGES: boost, flash bonus, bid; 1, 0, 1 change nothing
      60  master       u32       dense id; from here on, the row of the pool that came in
      64  base         f32       the score that came in
      68  sources      u32       provenance.Source
      72  reason       u32       the viewed master or the category that gave most; 2³²-1: none
      76  parts        4 f32     provenance.SOURCES: of the base, by source; they add up to it
"""

import numpy as np
import numpy.typing as npt

from conch.contracts.errors import Internal

Bytes = npt.NDArray[np.uint8]
"""(n, ITEM_BYTES)."""

Items = npt.NDArray[np.void]
"""(n,) of ITEM: `items["score"]` is a column, (n,) or (n, width)."""

ITEM = np.dtype(
    [
        ("pid_uuid", "u1", (16,)),
        ("master_uuid", "u1", (16,)),
        ("pid", "<u4"),
        ("score", "<f4"),
        ("price", "<f4"),
        ("changes", "<u4"),
        ("adjustments", "<f4", (3,)),
        ("master", "<u4"),
        ("base", "<f4"),
        ("sources", "<u4"),
        ("reason", "<u4"),
        ("parts", "<f4", (4,)),
    ]
)

ITEM_BYTES = ITEM.itemsize


def items_in(rows: Bytes) -> Items:
    """A view of them. Raises Internal for rows of another width: whoever made them has another release."""
    if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != ITEM_BYTES:
        raise Internal(f"items are {rows.dtype} {list(rows.shape)}, this release reads uint8 [n, {ITEM_BYTES}]")
    return np.ascontiguousarray(rows).view(ITEM)[:, 0]


def bytes_of(items: Items) -> Bytes:
    """A view of them."""
    return items.view(np.uint8).reshape(len(items), ITEM_BYTES)
