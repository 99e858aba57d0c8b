"""What is shown of models and said about versions, without a server."""

import base64
import itertools
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from conch.cli.main import app
from conch.cli.remote import files_to_send, models_at
from conch.cli.watch import told, watched_here
from conch.contracts.errors import InvalidRequest
from conch.rollout.folders import Folders
from conch.rollout.record import ModelRecord
from conch.rollout.refusals import RefusedVersion


def conch(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def folders(tmp_path):
    """Versions 1 and 2 of a model, with 2 the champion."""
    folders = Folders(tmp_path)
    for number, word in ((1, "one"), (2, "two")):
        folder = folders.version("words", number)
        folder.mkdir(parents=True)
        (folder / "words.txt").write_text(word)
        (folder / "same.txt").write_text("same")
        (folder / "lineage.json").write_text(json.dumps({"data": "May", "metrics": {"accuracy": number / 10}}))
        own = folders.configs("words", number)
        own.mkdir(parents=True)
        (own / "config.pbtxt").write_text(f'name: "words"\nmax_batch_size: {number}\n')
    folders.records.write(ModelRecord("words", 2, (1, 2), (1, 2), (2,), (1,)))
    return folders


def test_a_difference_is_shown_with_both_sides(folders, tmp_path):
    shown = conch("models", "diff", "words", "--state", tmp_path)
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert lines[0] == "words 1 → 2"
    assert lines[1].startswith("file words.txt: ")
    assert {"-max_batch_size: 1", "+max_batch_size: 2", "lineage metrics.accuracy: 0.1 → 0.2"} <= set(lines)
    assert "same.txt" not in shown.stdout

    as_json = conch("models", "diff", "words", "2", "1", "--json", "--state", tmp_path)
    found = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert [(one["kind"], one["name"]) for one in found] == [
        ("file", "words.txt"),
        ("config", "config.pbtxt"),
        ("lineage", "metrics.accuracy"),
    ]
    assert (found[2]["before"], found[2]["after"]) == ("0.2", "0.1")


@pytest.mark.parametrize(
    ("versions", "complaint"), [(["1", "7"], "no version 7"), (["2", "2"], "is one version"), (["x"], "is no version")]
)
def test_what_cannot_be_compared_is_told(folders, tmp_path, versions, complaint):
    refused = conch("models", "diff", "words", *versions, "--state", tmp_path)
    assert refused.exit_code == 1
    assert complaint in refused.stderr


def test_who_watches_is_told_how_things_are_and_then_what_happens(folders):
    events = watched_here(folders, "words", look_s=0)
    first, begun = itertools.islice(events, 2)
    assert (first.name, first.champion, first.serving) == ("words", 2, (1, 2))
    assert told(begun) == {"kind": "watching"}

    folders.journal.append("promoted", "others", 9)
    folders.journal.append("rolled back", "words", 1, before=2)
    record = folders.records.read("words")
    folders.records.write(record.rolled_back(1))
    action, after = itertools.islice(events, 2)
    assert told(action) == {
        "kind": "action",
        "at": action.at,
        "action": "rolled back",
        "model": "words",
        "version": 1,
        "evidence": {"before": 2},
    }
    assert (after.champion, after.serving) == (1, (1,))


def test_a_version_is_signed(tmp_path):
    key = Ed25519PrivateKey.generate()
    pem = tmp_path / "key.pem"
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    version = tmp_path / "2"
    version.mkdir()
    (version / "model.py").write_text("import os\n")

    signed = conch("models", "sign", version, "--key-file", pem)
    assert signed.exit_code == 0, signed.output
    public = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=")
    assert signed.stdout == f"{public}\n"
    assert json.loads((version / "checksums.json").read_text())["files"].keys() == {"model.py"}

    pem.write_text("nonsense")
    assert "holds no private key" in conch("models", "sign", version, "--key-file", pem).stderr


def test_a_config_beside_its_version_is_sent_beside_it(tmp_path):
    (tmp_path / "7/inner").mkdir(parents=True)
    (tmp_path / "7/inner/words.txt").touch()
    (tmp_path / "configs").mkdir()
    for name in ("config.pbtxt", "configs/gpu.pbtxt", "README.md"):
        (tmp_path / name).touch()
    assert [one.path for one in files_to_send(tmp_path)] == ["7/inner/words.txt", "config.pbtxt", "configs/gpu.pbtxt"]
    assert [one.path for one in files_to_send(tmp_path / "7")] == ["inner/words.txt"]

    (tmp_path / "7/passwd").symlink_to("/etc/passwd")
    with pytest.raises(RefusedVersion, match="7/passwd is no plain file"):
        files_to_send(tmp_path)


@pytest.mark.parametrize("url", ["ftp://host:1", "https://host", "https://host:8001/path", "https://", "http://h:x"])
def test_what_is_no_url_of_an_edge_is_told(url):
    with pytest.raises(InvalidRequest, match="is no URL of an edge"):
        models_at(url, "", None)


def test_somewhere_that_does_not_answer_is_told(tmp_path):
    refused = conch("rollback", "words", "--url", "http://127.0.0.1:1", "--state", tmp_path)
    assert refused.exit_code == 1
    assert "Unavailable" in refused.stderr
