"""docs/features.md is what other programs are written by."""

import re
import struct
from pathlib import Path

import numpy as np

from conch.contracts.features import LAYOUTS, Family, Packed, Stamp, pack
from conch.contracts.keys import FAMILIES
from conch.stores.cql_tables import TABLES

PAGE = (Path(__file__).parents[2] / "docs" / "features.md").read_text()

FORMATS = {"u1": "B", "u2": "H", "u4": "I", "i8": "q"}


def test_it_tells_every_layout_and_its_fingerprint():
    told = re.findall(r"^\| (\d+) (\w+) \| (0x[0-9a-f]{8}) \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert told == [
        (
            str(int(family)),
            family.name,
            f"{layout.fingerprint:#010x}",
            ", ".join(f"{name} {kind.removeprefix('<')}" for name, kind in layout.columns.items()),
        )
        for family, layout in LAYOUTS.items()
    ]


def test_a_reader_that_goes_by_its_table_reads_a_header():
    columns = {"ids": np.array([5, 6], np.uint32), "scores": np.ones(2, np.float32)}
    blob = pack(Packed(Family.CO_VIEW, columns, 7, Stamp(2, 1_780_000_000_000, 3)))
    fields = re.findall(r"^\| (\d+) \| ([ui]\d) \|", PAGE, re.MULTILINE)
    read = [struct.unpack_from("<" + FORMATS[kind], blob, int(at))[0] for at, kind in fields]
    assert read == [1, Family.CO_VIEW, 0, LAYOUTS[Family.CO_VIEW].fingerprint, 7, 2, 2, 3, 1_780_000_000_000]


def test_it_tells_every_key_and_every_table():
    assert [family for family in FAMILIES if f"| `{family}:{{" not in PAGE] == []
    told = " ".join(PAGE.split())
    assert [table for table in TABLES if f"CREATE TABLE {table};" not in told] == []
