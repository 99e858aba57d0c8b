"""The process that watches a repository, as the stack starts it, beside a real Triton."""

import contextlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from conch.rollout.folders import Folders
from conch.stack.serving import Server, serving
from tests.settling import becomes

SHIPPED = Path(__file__).parents[2] / "model_repository/intent/1"


@contextlib.contextmanager
def watching(root: Path, server: Server) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-m", "conch.rollout", str(root), server.http, server.grpc])
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def told(folders: Folders) -> list[tuple[str, int | None]]:
    return [(line.action, line.version) for line in folders.journal.lines("intent")]


def test_a_plain_copy_goes_live_a_bad_one_does_not_and_a_killed_publisher_is_followed_by_the_next(tmp_path):
    folders = Folders(tmp_path)
    with serving(tmp_path, ["intent"], {}) as server:
        with watching(tmp_path, server) as process:
            shutil.copytree(SHIPPED, folders.repository / "intent/2")
            (folders.repository / "intent/2/note.txt").write_text("new")
            shutil.copytree(SHIPPED, folders.repository / "intent/3")
            (folders.repository / "intent/3/model.py").unlink()
            wanted: list[tuple[str, int | None]] = [("promoted", 2), ("refused", 3)]
            assert becomes(lambda: told(folders), wanted, within_s=90) == wanted
            assert becomes(folders.pending, None, within_s=90) is None
        assert process.returncode == 0
        (refused,) = folders.quarantine.all()
        assert "no model.py" in refused.reason

        shutil.copytree(SHIPPED, folders.repository / "intent/4")
        (folders.repository / "intent/4/note.txt").write_text("newer")
        with watching(tmp_path, server) as process:
            assert becomes(lambda: len(folders.candidates()), 1, within_s=90) == 1
            process.kill()
        assert folders.pending() is not None
        assert folders.live_versions("intent") == [1, 2]

        with watching(tmp_path, server):
            wanted += [("recovered", 4), ("promoted", 4)]
            assert becomes(lambda: told(folders), wanted, within_s=90) == wanted
    assert folders.candidates() == []
    assert folders.pending() is None
