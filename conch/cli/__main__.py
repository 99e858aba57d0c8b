"""`python -m conch.cli` is `conch`."""

from conch.cli.main import app

app()
