"""Bring a catalogue in from files, or bring it up to date: ids stay, good rows are kept, bad ones are told.

In this order, so that a crash leaves what was served before, and the same import mends it: rows are staged; ids are
published; records are taken over in one transaction; offers go to the durable store and to Redis; a snapshot is
published.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from conch.catalogue.articles import Article, NoColumn, Shelf, article_of, shelf_of
from conch.catalogue.columns import Columns
from conch.catalogue.files import DELIMITERS, Bad, Found, Place, rows_of
from conch.catalogue.offering import Offering
from conch.catalogue.records import MADE_UP, Records
from conch.catalogue.shelves import Shelves, Standing
from conch.catalogue.staging import Staging
from conch.contracts.errors import InvalidRequest
from conch.contracts.identifiers import uuids_of
from conch.contracts.provenance import NO_REASON
from conch.features.promo_book import PromoBookWriter
from conch.features.snapshots import SnapshotWriter
from conch.features.wares import columns_of
from conch.stores.catalogue_folder import CatalogueFolder
from conch.stores.durable import new_relations_of
from conch.stores.features import HotFeatures
from conch.stores.ids import IdWriter, Kind
from conch.stores.published_rollups import PublishedRollups

AT_ONCE = 5_000
"""Rows."""

TOLD = 1_000
"""Bad rows that a report holds; all are counted."""

BULK_DEADLINE_S = 30.0

Progress = Callable[[str], None]


@dataclass
class Report:
    rows: int = 0
    kept: int = 0
    masters: int = 0
    """That rows of products are about."""
    new_masters: int = 0
    categories: int = 0
    """Of the catalogue, now."""
    bad: list[Bad] = field(default_factory=list)
    bad_rows: int = 0
    took_s: float = 0.0

    def refuse(self, place: Place, reason: str) -> None:
        self.bad_rows += 1
        if len(self.bad) < TOLD:
            self.bad.append(Bad(place, reason))


def bring_in(
    folder: CatalogueFolder,
    hot: HotFeatures,
    files: Sequence[Path],
    columns: Columns,
    progress: Progress = lambda _: None,
    now_ms: int | None = None,
) -> Report:
    """Raises Leased, Unavailable, and InvalidRequest for a file that is none and a catalogue that was made up."""
    began, now_ms = time.monotonic(), now_ms if now_ms is not None else time.time_ns() // 1_000_000
    shelved = [path for path in files if path.name.lower().startswith("categories")]
    sources = [
        (path, rows_of(path, columns.delimiter))
        for path in (*shelved, *(path for path in files if path not in shelved))
    ]
    report = Report()
    with folder.lease(), closing(Records(folder.relations)) as records, closing(Staging(folder.relations)) as staging:
        if records.says(MADE_UP):
            raise InvalidRequest(
                f"catalogue {folder.name} was made up; give another --catalogue, or remove {folder.path}"
            )
        ids = IdWriter(folder.ids, folder.name)
        coming = Coming(folder.name, columns, ids, staging, _shelves(records), report)
        for path, rows in sources:
            progress(path.name)
            (coming.categories if path in shelved else coming.products)(rows, progress)
        _take_over(folder, hot, coming, records, progress, now_ms)
    report.took_s = time.monotonic() - began
    return report


class Coming:
    """Rows of one import, as they are read."""

    def __init__(
        self, catalogue: str, columns: Columns, ids: IdWriter, staging: Staging, shelves: Shelves, report: Report
    ) -> None:
        self.columns, self.ids, self.staging, self.shelves, self.report = columns, ids, staging, shelves, report
        self._catalogue = catalogue

    def categories(self, rows: Iterator[Found | Bad], progress: Progress) -> None:
        read: list[tuple[Place, Shelf]] = []
        for row in self._good(rows):
            try:
                shelf = shelf_of(row.values, self.columns)
                self.shelves.add(shelf)
                read.append((row.place, shelf))
            except InvalidRequest as error:
                self.report.refuse(row.place, _reason(error, row))
        # A parent may stand further down.
        for place, shelf in read:
            try:
                if shelf.parent is not None:
                    self.shelves.stand_under(shelf.key, shelf.parent)
                self.report.kept += 1
            except InvalidRequest as error:
                self.report.refuse(place, error.message)

    def products(self, rows: Iterator[Found | Bad], progress: Progress) -> None:
        good = self._good(rows)
        while some := list(itertools.islice(good, AT_ONCE)):
            self._stage(some)
            progress(f"{some[-1].place}: {self.report.kept:,} rows kept, {self.report.bad_rows:,} refused")

    def number(self, kind: Kind, texts: Sequence[str]) -> Sequence[int]:
        numbers: list[int] = self.ids.allot_texts(kind, texts).tolist()
        return numbers

    def _good(self, rows: Iterator[Found | Bad]) -> Iterator[Found]:
        for row in rows:
            self.report.rows += 1
            if isinstance(row, Bad):
                self.report.refuse(row.place, row.reason)
            else:
                yield row

    def _stage(self, rows: Sequence[Found]) -> None:
        read: list[tuple[Place, Article, str | None]] = []
        for row in rows:
            try:
                article = article_of(row.values, self.columns)
                read.append((row.place, article, self._category(article)))
            except InvalidRequest as error:
                self.report.refuse(row.place, _reason(error, row))
        if read:
            self._stage_read(read)

    def _category(self, article: Article) -> str | None:
        if article.category is None:
            return None
        key = self.shelves.of(article.category)
        if article.parent_category is not None:
            self.shelves.stand_under(key, article.parent_category)
        return key

    def _stage_read(self, read: Sequence[tuple[Place, Article, str | None]]) -> None:
        articles = [article for _, article, _ in read]
        pids = self.ids.allot(Kind.PIDS, uuids_of(self._catalogue, [article.pid for article in articles])).tolist()
        known = self.staging.masters_of(pids)
        said = [article.master or article.pid for article in articles]
        masters = self.ids.allot(Kind.MASTERS, uuids_of(self._catalogue, said)).tolist()
        brands = self._numbers(Kind.BRANDS, [article.brand for article in articles])
        sellers = self._numbers(Kind.SELLERS, [article.seller for article in articles])
        categories = self._numbers(Kind.CATEGORIES, [category for _, _, category in read])
        products: list[tuple[object, ...]] = []
        offers: list[tuple[object, ...]] = []
        for row, (place, article, _) in enumerate(read):
            pid, master = pids[row], masters[row]
            if article.master is None:
                master = known.get(pid, master)
            if known.setdefault(pid, master) != master:
                self.report.refuse(
                    place, f"pid {article.pid} belongs to another master, this row says {article.master}"
                )
                continue
            self.report.kept += 1
            products.append((master, said[row], article.name, article.description, categories[row], brands[row]))
            offers.append((pid, article.pid, master, article.price, sellers[row], article.rating, article.stock))
        self.staging.stage(products, offers)

    def _numbers(self, kind: Kind, texts: Sequence[str | None]) -> list[int | None]:
        known = [text for text in dict.fromkeys(texts) if text is not None]
        numbers = dict(zip(known, self.number(kind, known), strict=True)) if known else {}
        return [None if text is None else numbers[text] for text in texts]


def _reason(error: InvalidRequest, row: Found) -> str:
    """With the delimiter, where it may be that the file has another one."""
    if not isinstance(error, NoColumn) or not row.delimiter:
        return error.message
    return f"{error.message}; cells are divided by {DELIMITERS.get(row.delimiter, repr(row.delimiter))}"


def _take_over(
    folder: CatalogueFolder, hot: HotFeatures, coming: Coming, records: Records, progress: Progress, now_ms: int
) -> None:
    report, shelves, columns = coming.report, coming.shelves, coming.columns
    keys = [shelf.key for shelf in shelves]
    numbers = dict(zip(keys, coming.number(Kind.CATEGORIES, keys), strict=True)) if keys else {}
    (seller,) = coming.number(Kind.SELLERS, [columns.default_seller])
    progress("records")
    index = coming.ids.publish()
    changed, new = coming.staging.masters(), coming.staging.new_masters()
    coming.staging.take(
        [(numbers[one.key], one.key, one.alias, one.name, numbers.get(one.parent, NO_REASON)) for one in shelves],
        seller=seller,
        rating=columns.default_rating,
        stock=columns.default_stock,
        now_ms=now_ms,
    )
    report.masters, report.new_masters, report.categories = len(changed), len(new), len(keys)
    with closing(new_relations_of(folder, deadline_s=BULK_DEADLINE_S)) as durable:
        progress("offers")
        Offering(folder, index, records, hot, durable, now_ms).offer(changed, new)
        progress("snapshot")
        rollups = partial(PublishedRollups, folder.published_rollups)
        SnapshotWriter(folder, hot, durable, rollups, lambda: now_ms).write(columns_of(records.wares(index)))
        PromoBookWriter(folder, hot).write()


def _shelves(records: Records) -> Shelves:
    rows = list(records.categories())
    keys = {row.category: row.key for row in rows}
    return Shelves(Standing(row.key, row.name, row.alias, keys.get(row.parent, "")) for row in rows)
