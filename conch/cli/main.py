"""The `conch` command: one file a command, put together here.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no stack is running.
"""

import typer

from conch.cli.catalogue import catalogue_app
from conch.cli.demos import demo_app
from conch.cli.devices import devices_app
from conch.cli.differences import diff
from conch.cli.doctor import doctor
from conch.cli.down import down
from conch.cli.edge import edge_app
from conch.cli.embed import embed
from conch.cli.experiments import experiments_app
from conch.cli.features import features_app
from conch.cli.history import history
from conch.cli.keys import keys_app
from conch.cli.listen import listen
from conch.cli.models import list_models
from conch.cli.naming import alias, sign
from conch.cli.publish import publish, rollback
from conch.cli.recommend import recommend, track
from conch.cli.relations import relations_app
from conch.cli.search import search
from conch.cli.speak import speak
from conch.cli.status import status
from conch.cli.transcribe import transcribe
from conch.cli.understand import understand
from conch.cli.up import up
from conch.cli.users import users_app
from conch.cli.voice_sim import voice_sim
from conch.cli.watch import watch
from conch.cli.weights import pull

app = typer.Typer(
    name="conch",
    help="Inference serving with Triton at its centre.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
models_app = typer.Typer(help="The models: what is served, and the weights they need.", no_args_is_help=True)
app.add_typer(models_app, name="models")
app.add_typer(demo_app, name="demo")
app.add_typer(keys_app, name="keys")
app.add_typer(edge_app, name="edge")
app.add_typer(devices_app, name="devices")
app.add_typer(catalogue_app, name="catalogue")
app.add_typer(features_app, name="features")
app.add_typer(relations_app, name="relations")
app.add_typer(experiments_app, name="experiments")
app.add_typer(users_app, name="users")

for command in (
    up,
    status,
    down,
    listen,
    voice_sim,
    transcribe,
    understand,
    speak,
    embed,
    search,
    recommend,
    track,
    publish,
    rollback,
    doctor,
):
    app.command()(command)
models_app.command("list")(list_models)
models_app.command("pull")(pull)
models_app.command("history")(history)
models_app.command("diff")(diff)
models_app.command("watch")(watch)
models_app.command("rollback")(rollback)
models_app.command("alias")(alias)
models_app.command("sign")(sign)


@app.callback()
def main() -> None:
    """Inference serving with Triton at its centre."""
