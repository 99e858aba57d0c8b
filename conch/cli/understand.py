"""`conch understand TEXT`: what a command asks for, and whether to act on it."""

from typing import Annotated

import typer
from rich.table import Table

from conch.cli.connection import Key, State, connected
from conch.cli.console import out, print_json
from conch.commands.contacts import Contact


def understand(
    text: Annotated[str, typer.Argument(help="The command, as somebody would say it.")],
    state: State = None,
    key: Key = "",
    contact: Annotated[
        list[str] | None,
        typer.Option(help="Whom a call may mean, as NAME or NAME=OTHER SPELLING; again for each."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Print the intent of a command, how sure we are, and the gate's decision."""
    with connected(state, key) as gateway:
        understood = gateway.understand(text, contacts=[_contact(said) for said in contact or []])
    if json:
        print_json(
            {
                "text": understood.text,
                "intent": understood.intent,
                "confidence": round(understood.confidence, 4),
                "decision": understood.decision,
                "reason": understood.reason,
                "contacts": list(understood.contacts),
                "team": understood.team,
                "place": understood.place,
                "scores": {intent: round(score, 4) for intent, score in understood.scores.items()},
            }
        )
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("intent", understood.intent or "none")
    table.add_row("confidence", f"{understood.confidence:.3f}")
    for name, told in (
        ("contacts", ", ".join(understood.contacts)),
        ("team", understood.team),
        ("place", understood.place),
    ):
        if told:
            table.add_row(name, told)
    table.add_row("decision", f"{understood.decision} ({understood.reason})")
    out.print(table)


def _contact(said: str) -> Contact:
    name, *spellings = said.split("=")
    return Contact(name, tuple(spellings))
