"""`conch understand TEXT`: what a command asks for, and whether to act on it."""

from typing import Annotated

import typer
from rich.table import Table

from conch.cli.connection import Key, State, connected
from conch.cli.console import out, print_json


def understand(
    text: Annotated[str, typer.Argument(help="The command, as somebody would say it.")],
    state: State = None,
    key: Key = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print the intent of a command, how sure we are, and the gate's decision."""
    with connected(state, key) as gateway:
        understood = gateway.understand(text)
    if json:
        print_json(
            {
                "text": understood.text,
                "intent": understood.intent,
                "confidence": round(understood.confidence, 4),
                "decision": understood.decision,
                "reason": understood.reason,
                "scores": {intent: round(score, 4) for intent, score in understood.scores.items()},
            }
        )
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("intent", understood.intent or "none")
    table.add_row("confidence", f"{understood.confidence:.3f}")
    table.add_row("decision", f"{understood.decision} ({understood.reason})")
    out.print(table)
