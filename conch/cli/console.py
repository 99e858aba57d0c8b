"""Where a command prints: answers to stdout, progress and complaints to stderr."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from conch.contracts.errors import ConchError

FAILED = 1
NO_STACK = 3

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One object a line, keys in their written order, UTF-8."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Show our errors as one line and exit 1; anything else is a bug and keeps its stack trace."""
    try:
        yield
    except ConchError as error:
        err.print(f"[bold red]{type(error).__name__}[/]: {escape(error.message)}", soft_wrap=True)
        raise typer.Exit(FAILED) from None
