"""Catalogues come in from files: good rows are kept, bad ones told, ids stay."""

import json
import math
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import pytest

from conch.catalogue.columns import Columns
from conch.catalogue.files import LARGEST_ROW
from conch.catalogue.importing import Report, bring_in
from conch.catalogue.records import Records
from conch.contracts.errors import InvalidRequest, Unavailable
from conch.contracts.identifiers import uuid_of, uuids_of
from conch.contracts.provenance import NO_REASON
from conch.stores.catalogue_folder import CatalogueFolder, Leased
from conch.stores.features import Hash, SortedSet, Write
from conch.stores.ids import IdIndex, Kind
from conch.stores.memory_features import MemoryFeatures
from conch.stores.snapshot import Snapshot
from conch.stores.sqlite_relations import SqliteRelations

NOW = 1_800_000_000_000
UUID = "6579c22f-be2b-444c-a52b-0116dd82df6c"

Write_file = Callable[[str, str], Path]


@pytest.fixture
def folder(tmp_path) -> CatalogueFolder:
    return CatalogueFolder.of(tmp_path / "catalogues", "default")


@pytest.fixture
def hot() -> MemoryFeatures:
    return MemoryFeatures()


@pytest.fixture
def bring(folder, hot, tmp_path) -> Callable[..., Report]:
    """`bring(products_csv="pid,price\\na,1")` imports files of these names, the last _ being the dot."""

    def bring(now_ms: int = NOW, **files: str | bytes) -> Report:
        paths: list[Path] = []
        for name, content in files.items():
            path = tmp_path / ".".join(name.rsplit("_", 1))
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
            paths.append(path)
        return bring_in(folder, hot, paths, Columns.read(), now_ms=now_ms)

    return bring


def told(report: Report) -> list[str]:
    return [f"{row.place}: {row.reason}" for row in report.bad]


def number(folder: CatalogueFolder, kind: Kind, key: str) -> int:
    return int(IdIndex.open(folder.ids).look_up(kind, uuids_of("default", [key]))[0])


def test_a_row_is_an_offer_of_a_master(bring, folder, hot):
    report = bring(
        products_csv="pid,master,title,category,parent_category,brand,seller,price,rating,stock\n"
        "a,m,A lamp,lamps,home,Lux,s1,9.99,4.5,3\n"
        "b,m,,lamps,,,s2,8.5,,0\n"
    )
    assert (report.rows, report.kept, report.bad_rows, report.masters, report.new_masters) == (2, 2, 0, 1, 1)
    columns = Snapshot.open(folder.snapshot).columns
    m, a, b = number(folder, Kind.MASTERS, "m"), number(folder, Kind.PIDS, "a"), number(folder, Kind.PIDS, "b")
    lamps, home = number(folder, Kind.CATEGORIES, "lamps"), number(folder, Kind.CATEGORIES, "home")
    assert columns.offer_pids.tolist() == [a, b]
    assert columns.pid_price[[a, b]].tolist() == pytest.approx([9.99, 8.5])
    assert columns.pid_rating[[a, b]].tolist() == [4.5, 3.0]
    assert columns.pid_stock[[a, b]].tolist() == [1, 0]
    assert (columns.master_category[m], columns.category_parent[lamps]) == (lamps, home)
    assert columns.category_parent[home] == NO_REASON
    assert columns.master_brand[m] == number(folder, Kind.BRANDS, "Lux")
    said = {str(uuid_of("default", "a")): "9.99:s1:4.5", str(uuid_of("default", "b")): "8.50:s2:3.0"}
    key = folder.keys.offers(str(uuid_of("default", "m")))
    assert hot.documented(key) == Hash(said)
    with closing(SqliteRelations(folder.relations)) as durable, closing(Records(folder.relations)) as records:
        offers = durable.offers(uuid_of("default", "m"))
        assert offers is not None
        assert {str(pid): text for pid, text in offers.metadata.items()} == said
        assert list(durable.read([key])) == list(hot.read([key]))
        (product,) = records.products()
        assert (product.key, product.name, product.changed_ms) == ("m", "A lamp", NOW)
        assert [offer.key for offer in records.offers()] == ["a", "b"]


def test_a_uuid_stays_itself_and_another_key_stays_usable(bring, folder):
    bring(products_jsonl=f'{{"id": "{UUID}", "price": 1}}\n{{"id": 7, "price": "2"}}\n')
    index = IdIndex.open(folder.ids)
    assert index.look_up(Kind.PIDS, uuids_of("default", [UUID, "7"])).tolist() == [0, 1]
    # Without a master each is one of its own.
    assert index.look_up(Kind.MASTERS, uuids_of("default", [UUID, "7"])).tolist() == [0, 1]


ROWS: Sequence[dict[str, object]] = [
    {"pid": "a", "master": "m", "name": 'Läm,p "x"\nnew line', "price": 9.5, "stock": 2, "image": "ignored.jpg"},
    {"pid": "b", "master": "m", "name": "Lamp", "price": 8.0, "stock": 0, "image": "ignored.jpg"},
]


def as_csv(path: Path) -> None:
    lines = ["pid,master,name,price,stock,image"]
    lines += [",".join('"' + str(value).replace('"', '""') + '"' for value in row.values()) for row in ROWS]
    path.write_text("﻿" + "\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")


def as_jsonl(path: Path) -> None:
    path.write_text("\n".join(json.dumps(row) for row in ROWS))


def as_yaml(path: Path) -> None:
    path.write_text(json.dumps(list(ROWS)))  # JSON is YAML


def as_parquet(path: Path) -> None:
    with duckdb.connect() as database:
        database.execute("CREATE TABLE t (pid VARCHAR, master VARCHAR, name VARCHAR, price DECIMAL(9, 2), stock INT)")
        for row in ROWS:
            database.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?)", list(row.values())[:5])
        database.execute(f"COPY t TO '{path}' (FORMAT parquet)")


@pytest.mark.parametrize("write", [as_csv, as_jsonl, as_yaml, as_parquet])
def test_every_kind_of_file_says_the_same(write, folder, hot, tmp_path):
    path = tmp_path / f"products.{write.__name__.removeprefix('as_')}"
    write(path)
    report = bring_in(folder, hot, [path], Columns.read(), now_ms=NOW)
    assert (report.kept, told(report)) == (2, [])
    columns = Snapshot.open(folder.snapshot).columns
    assert (columns.pid_price.tolist(), columns.pid_stock.tolist()) == ([9.5, 8.0], [1, 0])
    with closing(Records(folder.relations)) as records:
        assert [product.name for product in records.products()] == ["Lamp"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"pid": "x"}, "price is missing: no column is called price"),
        ({"pid": "x", "price": " "}, "price is missing"),
        ({"price": 1}, "pid is missing: no column is called pid or id or sku"),
        ({"pid": "x", "price": math.nan}, "price is nan, it must be from 0 to 1e+09"),
        ({"pid": "x", "price": math.inf}, "price is inf, it must be from 0 to 1e+09"),
        ({"pid": "x", "price": -0.01}, "price is -0.01, it must be from 0 to 1e+09"),
        ({"pid": "x", "price": "cheap"}, "price is 'cheap', not a number"),
        ({"pid": "x", "price": True}, "price is 'True', not a number"),
        ({"pid": "x", "price": 1, "rating": 5.1}, "rating is 5.1, it must be from 0 to 5"),
        ({"pid": "x", "price": 1, "stock": -1}, "stock is -1, it must be from 0 to 1e+18"),
        ({"pid": "x" * 201, "price": 1}, "pid has 201 characters, at most 200"),
        ({"pid": ["x"], "price": 1}, "pid is a list, not a text"),
        ({"pid": "x", "price": 1, "category": "a{b}"}, "category 'a{b}' has braces, or not 1 to 200 characters"),
        ({"pid": "x", "price": 1, "name": "\x00"}, "name has control characters"),
        ({"pid": "x\ud800", "price": 1}, "pid has control characters"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_row_is_told_with_its_reason_and_the_good_ones_are_kept(bring, folder, row, reason):
    lines = [json.dumps({"pid": "first", "price": 1}), json.dumps(row), json.dumps({"pid": "last", "price": 1})]
    report = bring(products_jsonl="\n".join(lines))
    assert told(report) == [f"products.jsonl:2: {reason}"]
    assert (report.rows, report.kept, report.bad_rows) == (3, 2, 1)
    assert Snapshot.open(folder.snapshot).columns.offer_pids.size == 2


def test_what_is_no_row_of_its_kind_is_told_with_its_line(bring):
    report = bring(
        a_jsonl='{"pid": "a", "price": 1}\nnot json\n[1]\n\n{"pid": "b", "price": 1}',
        b_csv='pid,price\nc,1\nd\n"e,1\nf,1\n',
        c_yaml="- pid: g\n  price: 1\n- just words\n- pid: h\n  price: 1\n",
        d_csv=b"pid,price\n\xff,1\ni,1\n",
        e_csv="pid,pid\nj,1\n",
        f_yaml="a: [\n",
        g_parquet=b"no parquet",
        h_yaml="products: 3",
    )
    assert report.kept == 7
    assert [text[:60] for text in told(report)] == [
        "a.jsonl:2: it is no JSON: Expecting value: line 1 column 1 (",
        "a.jsonl:3: it is no JSON object",
        "b.csv:3: it has 1 cells, the header 2",
        "b.csv:4: a quote is left open",
        "c.yaml:3: it is no mapping",
        "d.csv:2: it is no UTF-8: invalid start byte at byte 0",
        "e.csv:1: the header has pid more than once",
        "f.yaml:2: it is no YAML: did not find expected node content",
        "g.parquet:0: it is no Parquet: Invalid Input Error: File 'g.",
        "h.yaml:1: it is no list of rows",
    ]


def test_a_quote_within_a_cell_is_a_letter_like_any_other(bring, folder):
    report = bring(products_csv='pid,name,price\na,Monitor 27" wide,5\nb,Monitor 24" wide,6\nc,"a ""quoted"" one",7\n')
    assert (report.rows, report.kept, told(report)) == (3, 3, [])
    with closing(Records(folder.relations)) as records:
        assert [product.name for product in records.products()] == [
            'Monitor 27" wide',
            'Monitor 24" wide',
            'a "quoted" one',
        ]


@pytest.mark.parametrize(
    ("content", "kept", "bad"),
    [
        ('pid,price\na,1\n"b,2\nc,3\nd,4\n', 3, ["p.csv:3: a quote is left open"]),
        (
            b'pid,price\n"a,1\nb,1\n\xff,1\nc,1\n',
            2,
            ["p.csv:2: a quote is left open", "p.csv:4: it is no UTF-8: inval"],
        ),
        ('pid,price,name\n"a,1,\n' + f"b,1,{'x' * 1_000}\n" * 1_100, 1_100, ["p.csv:2: a quote is left open"]),
    ],
    ids=["to the end of the file", "to a line that is none", "beyond the largest row"],
)
def test_rows_after_a_quote_that_is_never_closed_are_kept(bring, content, kept, bad):
    report = bring(p_csv=content)
    assert (report.rows, report.kept) == (kept + len(bad), kept)
    assert [text[:30] for text in told(report)] == bad


def test_a_header_that_cannot_be_read_is_told_once(bring):
    assert told(bring(a_csv=b"pid,\xff\na,1\nb,2\n")) == ["a.csv:1: it is no UTF-8: invalid start byte at byte 4"]
    assert told(bring(b_csv='"pid,price\na,1\nb,2\n')) == ["b.csv:1: a quote is left open"]
    assert told(bring(c_csv="pid,price\ra,1\r")) == [
        "c.csv:1: it is no CSV: new-line character seen in unquoted field - do you need to open the file in"
        " universal-newline mode?"
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
def test_the_header_tells_by_what_cells_are_divided(bring, folder, delimiter):
    rows = [["pid", '"size, in; or\tso"', "price", "name"], ["a", "3", "1.5", '"A lamp, red; new\t1"']]
    report = bring(products_csv="\n" + "\n".join(map(delimiter.join, rows)))
    assert (report.kept, told(report)) == (1, [])
    with closing(Records(folder.relations)) as records:
        assert [product.name for product in records.products()] == ["A lamp, red; new\t1"]


def test_a_wrong_delimiter_is_told_with_every_row(bring, folder, hot, tmp_path):
    assert told(bring(products_csv="pid|price, net\na|1, 2\n")) == [
        "products.csv:2: pid is missing: no column is called pid or id or sku; cells are divided by a comma"
    ]
    assert told(bring(categories_csv="called;parent\na;b\n")) == [
        "categories.csv:2: key is missing: no column is called key or name or id; cells are divided by a semicolon"
    ]
    (tmp_path / "mine.toml").write_text('delimiter = "|"\n[products]\nprice = "price, net"\n')
    again = bring_in(folder, hot, [tmp_path / "products.csv"], Columns.read(tmp_path / "mine.toml"), now_ms=NOW)
    assert told(again) == ["products.csv:2: price is '1, 2', not a number"]


def test_a_header_that_may_be_divided_by_more_than_one_sign_is_not_guessed_at(bring, folder, hot, tmp_path):
    report = bring(products_csv="pid,price,a;b\nx,1,2\n")
    assert (report.kept, told(report)) == (
        0,
        [
            "products.csv:1: cells of the header may be divided by a comma and a semicolon: "
            "say `delimiter` in a file of columns"
        ],
    )
    (tmp_path / "mine.toml").write_text('delimiter = ","\n')
    again = bring_in(folder, hot, [tmp_path / "products.csv"], Columns.read(tmp_path / "mine.toml"), now_ms=NOW)
    assert (again.kept, told(again)) == (1, [])


def test_a_cell_is_as_long_as_a_row_may_be(bring):
    report = bring(products_csv=f'pid,price,description\na,1,"{"x" * 500_000}\n{"x" * 500_000}"\n')
    assert (report.kept, told(report)) == (1, [])


def test_columns_of_parquet_that_nobody_reads_may_be_of_any_kind(bring, tmp_path):
    path = tmp_path / "made.parquet"
    with duckdb.connect() as database:
        at = "TIMESTAMPTZ '2026-01-02 03:04:05+00'"
        columns = f"""'a' AS pid, 1.5 AS price, {at} AS "at ""once"" ", [{at}] AS times, {{'a': 1}} AS more"""
        database.execute(f"COPY (SELECT {columns}) TO '{path}' (FORMAT parquet)")
    assert (told(report := bring(products_parquet=path.read_bytes())), report.kept) == ([], 1)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "yaml"])
def test_a_row_of_ten_megabytes_is_refused(bring, kind):
    long = "x" * (10 << 20)
    rows = {
        "csv": f"pid,price,name\na,1,{long}\nb,1,ok\n",
        "jsonl": f'{{"pid": "a", "price": 1, "name": "{long}"}}\n{{"pid": "b", "price": 1}}\n',
        "yaml": f"- pid: a\n  price: 1\n  name: {long}\n- pid: b\n  price: 1\n",
    }
    report = bring(**{f"products_{kind}": rows[kind]})
    assert (report.kept, report.bad_rows) == (1, 1)
    assert f"at most {LARGEST_ROW}" in told(report)[0]


def test_a_pid_belongs_to_one_master(bring, folder):
    first = bring(a_csv="pid,master,price\np,m1,1\np,m2,2\nq,m2,3\n")
    assert told(first) == ["a.csv:3: pid p belongs to another master, this row says m2"]
    later = bring(b_csv="pid,master,price\np,m2,2\nq,,4\n")
    assert told(later) == ["b.csv:2: pid p belongs to another master, this row says m2"]
    columns = Snapshot.open(folder.snapshot).columns
    m1, m2 = number(folder, Kind.MASTERS, "m1"), number(folder, Kind.MASTERS, "m2")
    # A row that says no master keeps the one that the pid has.
    assert columns.pid_master[[number(folder, Kind.PIDS, "p"), number(folder, Kind.PIDS, "q")]].tolist() == [m1, m2]
    assert columns.pid_price[number(folder, Kind.PIDS, "q")] == 4


def test_an_import_again_is_an_update_and_ids_stay(bring, folder):
    bring(a_csv="pid,master,name,category,seller,price,rating,stock\na,m,Lamp,lamps,s,9,4.5,1\nb,n,Rug,rugs,s,5,4,1\n")
    before = IdIndex.open(folder.ids)
    report = bring(now_ms=NOW + 1, b_csv="pid,price,stock\na,7,0\nc,1,1\n")
    assert (report.masters, report.new_masters) == (2, 1)
    after = IdIndex.open(folder.ids)
    keys = uuids_of("default", ["a", "b", "c"])
    assert before.look_up(Kind.PIDS, keys).tolist()[:2] == after.look_up(Kind.PIDS, keys).tolist()[:2] == [0, 1]
    columns = Snapshot.open(folder.snapshot).columns
    assert (columns.pid_price.tolist(), columns.pid_stock.tolist()) == ([7, 5, 1], [0, 1, 1])
    # What the row leaves out stays; the title did not change, and is no reason to embed it again.
    assert columns.pid_rating[:2].tolist() == [4.5, 4.0]
    with closing(Records(folder.relations)) as records:
        assert [product.name for product in records.products([0])] == ["Lamp"]
        assert records.changed_since(NOW + 1) == [number(folder, Kind.MASTERS, "c")]


def test_categories_have_names_aliases_and_parents_in_any_order(bring, folder):
    bring(
        products_csv="pid,category,price\na,7,1\nb,Table Lamps,1\nc,lighting,1\n",
        categories_yaml="- {id: 7, name: Table Lamps, parent: lighting}\n- {id: 8, name: lighting}\n",
    )
    columns = Snapshot.open(folder.snapshot).columns
    lamps, lighting = number(folder, Kind.CATEGORIES, "Table-Lamps"), number(folder, Kind.CATEGORIES, "lighting")
    assert columns.master_category.tolist() == [lamps, lamps, lighting]
    assert columns.category_parent[lamps] == lighting
    # The next import still knows the alias.
    bring(more_csv="pid,category,price\nd,7,1\n")
    assert Snapshot.open(folder.snapshot).columns.master_category[3] == lamps


def test_a_cycle_of_categories_is_refused_and_named(bring, folder):
    report = bring(categories_csv="name,parent\na,b\nb,c\nc,a\nd,d\n", products_csv="pid,category,price\np,c,1\n")
    assert told(report) == [
        "categories.csv:4: categories go round: c > a > b > c",
        "categories.csv:5: categories go round: d > d",
    ]
    parents = Snapshot.open(folder.snapshot).columns.category_parent
    a, b, c = (number(folder, Kind.CATEGORIES, key) for key in "abc")
    assert (parents[a], parents[b], parents[c]) == (b, c, NO_REASON)


def test_a_later_import_cannot_close_a_cycle_either_but_may_move_a_category(bring, folder):
    bring(categories_csv="name,parent\na,b\n")
    report = bring(p_csv="pid,category,parent_category,price\np,b,a,1\n")
    assert told(report) == ["p.csv:2: categories go round: b > a > b"]
    bring(categories_csv="name,parent\na,z\n")
    parents = Snapshot.open(folder.snapshot).columns.category_parent
    assert parents[number(folder, Kind.CATEGORIES, "a")] == number(folder, Kind.CATEGORIES, "z")


def test_a_row_that_contradicts_another_about_a_parent_is_refused(bring):
    report = bring(p_csv="pid,category,parent_category,price\np,a,b,1\nq,a,c,1\n")
    assert told(report) == ["p.csv:3: category 'a' stands under 'b', this row puts it under 'c'"]


def test_a_tree_that_is_too_deep_is_refused(bring):
    rows = "".join(f"c{level},c{level - 1}\n" for level in range(1, 40))
    report = bring(categories_csv="name,parent\n" + rows)
    assert told(report)[0] == "categories.csv:33: category 'c32' stands 33 deep, at most 32"


def test_columns_are_named_by_a_file(folder, hot, tmp_path):
    (tmp_path / "mine.toml").write_text(
        '[products]\npid = "sku"\nprice = "cost"\n[defaults]\nseller = "us"\nrating = 1\n'
    )
    (tmp_path / "p.csv").write_text("sku,cost,price\na,3,bad\n")
    bring_in(folder, hot, [tmp_path / "p.csv"], Columns.read(tmp_path / "mine.toml"), now_ms=NOW)
    columns = Snapshot.open(folder.snapshot).columns
    assert (columns.pid_price.tolist(), columns.pid_rating.tolist()) == ([3.0], [1.0])
    assert IdIndex.open(folder.ids).text(Kind.SELLERS, int(columns.pid_seller[0])) == "us"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[product]\n", "has 'product'; it holds delimiter and tables products, categories, defaults alone"),
        ("[products]\nprise = 'p'\n", r"has products\.prise; products has pid, master"),
        ("[products]\npid = 3\n", r"products\.pid is 3, it must be a column's name or a list of them"),
        ("[defaults]\nrating = 6\n", r"defaults\.rating is 6, it must be from 0 to 5"),
        ("[defaults]\nstock = true\n", r"defaults\.stock is True, it must be a whole number"),
        ("[", r"mine\.toml cannot be read"),
        ("delimiter = ';;'\n", r"delimiter is ';;', it must be one sign"),
        ("delimiter = 3\n", r"delimiter is 3, it must be one sign"),
    ],
)
def test_a_file_of_columns_that_says_nonsense_is_refused(tmp_path, content, reason):
    (tmp_path / "mine.toml").write_text(content)
    with pytest.raises(InvalidRequest, match=reason):
        Columns.read(tmp_path / "mine.toml")


def test_a_file_that_is_not_there_or_of_another_kind_changes_nothing(folder, hot, tmp_path):
    (tmp_path / "a.csv").write_text("pid,price\na,1\n")
    for missing, reason in (("b.csv", "is no file"), ("b.xlsx", "is no csv, jsonl")):
        with pytest.raises(InvalidRequest, match=reason):
            bring_in(folder, hot, [tmp_path / "a.csv", tmp_path / missing], Columns.read())
    assert not folder.path.exists()


class Full(MemoryFeatures):
    """A Redis that takes nothing."""

    def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        raise Unavailable("Redis is full")


def test_a_crash_between_ids_and_snapshot_leaves_what_was_served_and_the_same_import_mends_it(
    bring, folder, hot, tmp_path
):
    bring(a_csv="pid,master,price\na,m,1\n")
    (tmp_path / "b.csv").write_text("pid,master,price\nb,m,2\n")
    with pytest.raises(Unavailable, match="full"):
        bring_in(folder, Full(), [tmp_path / "b.csv"], Columns.read())
    snapshot = Snapshot.open(folder.snapshot)
    assert (snapshot.generation, snapshot.pids, IdIndex.open(folder.ids).generation) == (1, 1, 2)
    bring_in(folder, hot, [tmp_path / "b.csv"], Columns.read())
    again = Snapshot.open(folder.snapshot)
    assert (again.generation, again.pids, IdIndex.open(folder.ids).generation) == (2, 2, 2)
    assert again.columns.offer_pids.tolist() == [0, 1]


def test_rows_that_were_staged_and_not_taken_over_leave_nothing(folder, hot, tmp_path, monkeypatch):
    (tmp_path / "b.csv").write_text("pid,price\nb,2\n")
    monkeypatch.setattr("conch.stores.generations.publish", _fails)
    with pytest.raises(OSError, match="disk"):
        bring_in(folder, hot, [tmp_path / "b.csv"], Columns.read())
    monkeypatch.undo()
    assert (IdIndex.open(folder.ids).generation, Snapshot.open(folder.snapshot).generation) == (0, 0)
    with closing(Records(folder.relations)) as records:
        assert list(records.offers()) == []


def _fails(*_: object) -> None:
    raise OSError("no space left on the disk")


def test_one_writer_at_a_time(bring, folder):
    with folder.lease(), pytest.raises(Leased):
        bring(a_csv="pid,price\na,1\n")


def test_new_masters_count_as_seen_just_now_and_stand_beside_those_that_were(bring, folder, hot):
    key = folder.keys.active_masters
    hot.write([Write(key, b"", SortedSet({"older": 5.0}))])
    bring(a_csv="pid,price\na,1\n")
    assert hot.documented(key) == SortedSet({"older": 5.0, str(uuid_of("default", "a")): float(NOW)})


def test_where_nothing_has_sold_the_best_rated_stand_in(bring, folder):
    bring(
        a_csv="pid,category,parent_category,price,rating,stock\n"
        "a,lamps,home,1,3,1\nb,lamps,home,1,5,1\nc,rugs,home,1,4,1\nd,rugs,home,1,5,0\ne,books,,1,1,1\n"
    )
    columns = Snapshot.open(folder.snapshot).columns

    def best(key: str) -> list[int]:
        at = number(folder, Kind.CATEGORIES, key)
        return columns.best_pids[columns.best_starts[at] : columns.best_starts[at + 1]].tolist()

    assert (best("lamps"), best("rugs"), best("home"), best("books")) == ([1, 0], [2], [1, 2, 0], [4])
    # Each root in turn, by its id: `books` came before `home`.
    assert columns.popular_pids.tolist() == [4, 1, 2, 0]
    assert (np.diff(columns.popular_scores) <= 0).all()
