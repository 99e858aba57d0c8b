"""The process that watches a repository, as the stack starts it, beside a real Triton."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from conch.rollout.folders import Folders
from conch.stack.serving import serving
from tests.settling import becomes

SHIPPED = Path(__file__).parents[2] / "model_repository/intent/1"


def test_a_plain_copy_into_the_repository_goes_live_and_a_bad_one_does_not(tmp_path):
    folders = Folders(tmp_path)
    with serving(tmp_path, ["intent"], {}) as server:
        command = [sys.executable, "-m", "conch.rollout", str(tmp_path), server.http, server.grpc]
        process = subprocess.Popen(command)
        try:
            shutil.copytree(SHIPPED, folders.repository / "intent/2")
            (folders.repository / "intent/2/note.txt").write_text("new")
            shutil.copytree(SHIPPED, folders.repository / "intent/3")
            (folders.repository / "intent/3/model.py").unlink()

            def told() -> list[tuple[str, int | None]]:
                return [(line.action, line.version) for line in folders.journal.lines("intent")]

            wanted = [("promoted", 2), ("refused", 3)]
            assert becomes(told, wanted, within_s=90) == wanted
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
    assert process.returncode == 0
    (refused,) = folders.quarantine.all()
    assert "no model.py" in refused.reason
