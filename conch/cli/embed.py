"""`conch embed TEXT…`: texts as unit-length vectors."""

from typing import Annotated

import typer
from rich.table import Table

from conch.cli.connection import Key, State, connected
from conch.cli.console import out, print_json


def embed(
    texts: Annotated[list[str], typer.Argument(help="One vector each.", metavar="TEXT…")],
    state: State = None,
    key: Key = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON object a text, with its vector.")] = False,
) -> None:
    """Print how alike texts are (cosine), or with --json their vectors."""
    with connected(state, key) as gateway:
        vectors = gateway.embed(texts).vectors
    if json:
        for text, vector in zip(texts, vectors, strict=True):
            print_json({"text": text, "embedding": [round(float(value), 6) for value in vector]})
        return
    likeness = vectors @ vectors.T
    table = Table("", *(str(number) for number in range(1, len(texts) + 1)), "text", box=None, pad_edge=False)
    for number, text in enumerate(texts, start=1):
        table.add_row(str(number), *(f"{value:.2f}" for value in likeness[number - 1]), text)
    out.print(table)
