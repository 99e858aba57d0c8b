"""`conch search TEXT`: goods whose titles mean what the text means."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from conch.catalogue.records import Records
from conch.cli.connection import Key, State, connected
from conch.cli.console import err, out, print_json
from conch.clients.inference import text_column
from conch.contracts.identifiers import Uuids, texts_of
from conch.contracts.keys import DEFAULT_CATALOGUE
from conch.stack.state import StateFolder, default_root
from conch.stores.catalogue_folder import CATALOGUES, CatalogueFolder
from conch.stores.ids import NONE, IdIndex, Kind
from conch.stores.snapshot import Snapshot

MODEL = "semantic_search"


def search(
    text: Annotated[str, typer.Argument(help="What is looked for, in any words.")],
    k: Annotated[int, typer.Option("-k", metavar="N", help="How many goods, at most 1000.")] = 10,
    catalogue: Annotated[
        str, typer.Option("--catalogue", metavar="NAME", help="Whose titles and offers are shown, if they are here.")
    ] = DEFAULT_CATALOGUE,
    state: State = None,
    key: Key = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON object, with every offer.")] = False,
) -> None:
    """Print the goods of the key's catalogue whose titles mean the most like a text."""
    with connected(state, key) as gateway:
        inputs = {"text": text_column(text), "k": np.array([[k]], np.int32)}
        asked = ["master_uuids", "similarities", "embedding_version"]
        found = gateway.infer(MODEL, inputs, outputs=asked, idempotent=True).outputs
        uuids, similarities = found["master_uuids"][0], found["similarities"][0].tolist()
        folder = CatalogueFolder.of(StateFolder(state or default_root()).root / CATALOGUES, catalogue)
        goods = list(_goods(folder, uuids))
    for one, similarity in zip(goods, similarities, strict=True):
        one["similarity"] = round(similarity, 4)
    if json:
        print_json({"items": goods, "embedding_version": str(found["embedding_version"][0, 0])})
        return
    if not goods:
        err.print("Nothing is found: conch relations build makes the index.")
        return
    table = Table("", "price", "offers", "title", box=None, pad_edge=False)
    table.add_column("master", no_wrap=True)
    for one in goods:
        prices = [offer["price"] for offer in one["offers"] if offer["in_stock"]]
        cheapest = f"{min(prices):.2f}" if prices else "-"
        table.add_row(f"{one['similarity']:.2f}", cheapest, str(len(one["offers"])), one["title"], one["master"])
    out.print(table)


def _goods(folder: CatalogueFolder, uuids: Uuids) -> Iterator[dict[str, Any]]:
    """Master, title and offers; of a catalogue that is somewhere else the master alone."""
    ids, snapshot = IdIndex.open(folder.ids), Snapshot.open(folder.snapshot)
    masters = ids.look_up(Kind.MASTERS, uuids)
    titles = _titles(folder, masters[masters != NONE].tolist())
    for name, master in zip(texts_of(uuids), masters.tolist(), strict=True):
        offers = list(_offers(ids, snapshot, master)) if master < snapshot.masters else []
        yield {"master": name, "title": titles.get(master, ""), "offers": offers}


def _titles(folder: CatalogueFolder, masters: Sequence[int]) -> Mapping[int, str]:
    if not masters:
        return {}
    with closing(Records(folder.relations)) as records:
        return {product.master: product.name for product in records.products(masters)}


def _offers(ids: IdIndex, snapshot: Snapshot, master: int) -> Iterator[Mapping[str, object]]:
    columns = snapshot.columns
    pids = columns.offer_pids[columns.offer_starts[master] : columns.offer_starts[master + 1]]
    names = texts_of(ids.uuids(Kind.PIDS, pids))
    prices, stocks = columns.pid_price[pids].tolist(), columns.pid_stock[pids].tolist()
    for pid, price, stock in zip(names, prices, stocks, strict=True):
        yield {"pid": pid, "price": round(price, 2), "in_stock": bool(stock)}
