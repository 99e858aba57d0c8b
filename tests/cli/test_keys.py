"""`conch keys`, as a user calls it."""

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from conch.cli.main import app


def conch(*arguments: str, state: Path) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments, "--state", str(state)])


def test_a_key_is_made_listed_and_revoked(tmp_path: Path) -> None:
    made = conch("create", "--note", "tablet", "--json", state=tmp_path)
    assert made.exit_code == 0, made.output
    key = json.loads(made.stdout)
    assert key["key"].count(".") == 2
    listed = json.loads(conch("list", "--json", state=tmp_path).stdout)
    assert listed == {name: value for name, value in key.items() if name != "key"}
    assert (listed["tenant"], listed["note"], listed["state"]) == ("default", "tablet", "valid")
    assert conch("revoke", key["id"], state=tmp_path).exit_code == 0
    assert json.loads(conch("list", "--json", state=tmp_path).stdout)["state"] == "revoked"


def test_only_the_key_stands_on_stdout(tmp_path: Path) -> None:
    made = conch("create", state=tmp_path)
    assert made.stdout.strip().count(".") == 2
    assert " " not in made.stdout.strip()
    assert "from now on the edge asks every call" in made.stderr
    assert "from now on" not in conch("create", state=tmp_path).stderr


def test_a_key_of_an_unknown_tenant_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "tenants.toml").write_text("[tenants.acme]\n")
    refused = conch("create", "--tenant", "beta", state=tmp_path)
    assert refused.exit_code == 1
    assert "no tenant beta; the tenants file has acme, default" in refused.stderr
    assert conch("list", "--json", state=tmp_path).stdout == ""
    assert conch("create", "--tenant", "acme", state=tmp_path).exit_code == 0


def test_a_key_that_is_not_there_is_not_revoked(tmp_path: Path) -> None:
    refused = conch("revoke", "77", state=tmp_path)
    assert refused.exit_code == 1
    assert "no key 77" in refused.stderr


def test_signing_keys_rotate_and_are_forgotten(tmp_path: Path) -> None:
    conch("create", state=tmp_path)
    assert conch("rotate", state=tmp_path).exit_code == 0
    forgotten = conch("rotate", "--forget-old", state=tmp_path)
    assert "Signing keys forgotten: 1." in forgotten.stderr


def test_the_list_shows_what_is_kept(tmp_path: Path) -> None:
    conch("create", "--operator", "--note", "[bold]ops", state=tmp_path)
    listed = conch("list", state=tmp_path)
    assert listed.exit_code == 0
    assert "valid" in listed.stdout
