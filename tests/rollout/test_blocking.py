import asyncio
import threading

import pytest

from conch.rollout.blocking import off_the_loop
from conch.rollout.lock import holding
from conch.rollout.manifest import FileSum
from conch.rollout.publications import Publication
from conch.rollout.refusals import Busy

GIVE_UP_S = 30.0


class Held:
    """Every hash waits until somebody who needs the loop lets it go on."""

    def __init__(self, monkeypatch):
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.went_on = []
        hashed = FileSum.of

        def slowly(path):
            self.begun.set()
            self.went_on.append(self.go_on.wait(GIVE_UP_S))
            return hashed(path)

        monkeypatch.setattr(FileSum, "of", slowly)


async def test_while_a_version_is_hashed_others_are_answered(monkeypatch, publisher, folders, version):
    held = Held(monkeypatch)
    publishing = asyncio.create_task(publisher.publish(Publication("intent", version("large"))))
    assert await asyncio.to_thread(held.begun.wait, GIVE_UP_S)
    with pytest.raises(Busy):  # an answer, from the same loop
        await publisher.roll_back("intent")
    held.go_on.set()
    assert (await publishing).champion == 2
    assert all(held.went_on)


async def test_who_is_cancelled_keeps_the_lock_until_the_work_has_ended(tmp_path):
    begun, go_on = threading.Event(), threading.Event()

    def work():
        begun.set()
        assert go_on.wait(GIVE_UP_S)

    async def locked_work():
        with holding(tmp_path / "lock"):
            await off_the_loop(work)

    working = asyncio.create_task(locked_work())
    await asyncio.to_thread(begun.wait, GIVE_UP_S)
    working.cancel()
    await asyncio.sleep(0)
    with pytest.raises(Busy), holding(tmp_path / "lock"):
        pass
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await working
    with holding(tmp_path / "lock"):
        pass
