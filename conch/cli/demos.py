"""`conch demo …`: what there is to be shown. Without the name of one, `conch demo [FILE]` is a wearable's command."""

from typing import Any

import typer
from typer.core import TyperGroup

from conch.cli.demo import demo
from conch.cli.shopper import shopper
from conch.cli.swap import swap

VOICE = "voice"


class Demos(TyperGroup):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named else [VOICE, *args])


demo_app = typer.Typer(
    cls=Demos,
    help="Show a wearable's command (conch demo [FILE]), how a model is updated (swap), or a shopper (shopper).",
)
demo_app.command(VOICE)(demo)
demo_app.command("swap")(swap)
demo_app.command("shopper")(shopper)
