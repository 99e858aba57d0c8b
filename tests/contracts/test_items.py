"""An item's record, held against what its docstring says byte by byte."""

import re
from pathlib import Path
from struct import Struct

import numpy as np
import pytest

from conch.contracts import items
from conch.contracts.errors import Internal
from conch.contracts.items import ITEM, ITEM_BYTES, bytes_of, items_in
from conch.contracts.provenance import Change, Source

PAGE = Path(__file__).parents[2] / "docs" / "recommendation-models.md"
CODES = {"16 bytes": "16s", "u32": "I", "f32": "f", "3 f32": "3f", "4 f32": "4f"}


def documented(text: str) -> dict[str, tuple[int, str]]:
    """By field: its first byte, and what struct calls its type."""
    rows = re.findall(r"^[ |]+(\d+)[ |`]+(\w+)[ |`]+(\d+ bytes|(?:\d )?[uf]32)\b", text, re.MULTILINE)
    return {name: (int(byte), CODES[kind]) for byte, name, kind in rows}


def record(told: dict[str, tuple[int, str]]) -> Struct:
    return Struct("<" + "".join(code for _, code in told.values()))


def some(count: int) -> items.Items:
    """Each byte another than its neighbours; NaN nowhere."""
    made = np.zeros(count, ITEM)
    for place, name in enumerate(ITEM.names or ()):
        made[name] = np.arange(made[name].size).reshape(made[name].shape) % 200 + place
    return made


@pytest.mark.parametrize("text", [items.__doc__ or "", PAGE.read_text(encoding="utf-8")], ids=["docstring", "page"])
def test_the_layout_is_as_documented(text):
    fields, told = ITEM.fields or {}, documented(text)
    assert list(told) == list(ITEM.names or ())
    assert {name: byte for name, (byte, _) in told.items()} == {name: fields[name][1] for name in fields}
    assert record(told).size == ITEM_BYTES


def test_bits_are_documented_by_their_numbers():
    page = PAGE.read_text(encoding="utf-8")
    for field, kind in (("changes", Change), ("sources", Source)):
        (row,) = (line for line in page.splitlines() if f"`{field}` | u32 | bits:" in line)
        assert [int(number) for number in re.findall(r"(?<=[:,] )\d+(?= )", row)] == [int(bit) for bit in kind]


def test_one_item_is_read_by_struct_as_columns_are_by_numpy():
    made = some(3)
    unpacked = record(documented(items.__doc__ or "")).iter_unpack(made.tobytes())
    for row, fields in zip(made, unpacked, strict=True):
        values = [row[name] for name in ITEM.names or ()]
        flat = [value.tobytes() if value.dtype == np.uint8 else value.tolist() for value in values]
        assert list(fields) == [one for value in flat for one in (value if isinstance(value, list) else [value])]


@pytest.mark.parametrize("count", [0, 1, 50])
def test_items_and_bytes_are_views_of_each_other(count):
    made = some(count)
    rows = bytes_of(made)
    assert rows.shape == (count, ITEM_BYTES)
    assert items_in(rows).tobytes() == made.tobytes()
    assert count == 0 or np.shares_memory(items_in(rows), made)


@pytest.mark.parametrize("shape", [(2, ITEM_BYTES - 4), (2, ITEM_BYTES + 4), (ITEM_BYTES,), (1, 2, ITEM_BYTES)])
def test_another_width_is_refused_with_both(shape):
    with pytest.raises(Internal, match=f"{re.escape(str(list(shape)))}.*{ITEM_BYTES}"):
        items_in(np.zeros(shape, np.uint8))
