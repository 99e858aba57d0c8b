import json

from typer.testing import CliRunner

from conch.cli.main import app


def test_the_exit_code_says_whether_anything_failed(tmp_path):
    answer = CliRunner().invoke(app, ["doctor", "--json", "--state", str(tmp_path)])

    told = json.loads(answer.stdout)
    assert told["healthy"] is all(finding["level"] != "failed" for finding in told["findings"])
    assert answer.exit_code == (0 if told["healthy"] else 1)
    assert {"Python", "glibc", "numpy", "Triton", "/dev/shm", "memory", "weights"} <= {
        finding["name"] for finding in told["findings"]
    }


def test_it_fails_where_weights_are_damaged(tmp_path, monkeypatch):
    from conch.weights.manifest import Manifest

    file = Manifest.read().needed[0]
    root = tmp_path / "conch/weights"
    root.mkdir(parents=True)
    (root / file.sha256).write_bytes(b"damaged")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    answer = CliRunner().invoke(app, ["doctor", "--state", str(tmp_path)], env={"COLUMNS": "400"})

    assert answer.exit_code == 1
    assert str(file) in answer.stdout
    assert file.sha256 in answer.stdout
