"""What was begun is ended, whichever Conch began it; what nobody understands is told, and taken away by a new start."""

import json

import pytest

from conch.rollout.folders import Pending
from conch.rollout.publications import Publication
from conch.rollout.publisher import Publisher
from conch.rollout.refusals import NotUnderstood
from conch.stack.repository import fill_live
from tests.rollout.test_publisher import Crash, crashing_at

OF_ANOTHER = b'{"steps": [{"model": "intent"}]}'


@pytest.fixture
async def half_done(folders, triton, version):
    """A version is live, and no record says so. The path of the file that does."""
    with pytest.raises(Crash):
        await Publisher(folders, triton, reached=crashing_at("loaded")).publish(Publication("intent", version("good")))
    assert triton.served["intent"] == [1, 2]
    return folders.rollout / "pending.json"


async def test_what_an_older_conch_had_begun_is_taken_back(folders, triton, half_done):
    half_done.write_text(json.dumps({"model": "intent", "version": 2}))
    assert folders.pending() == Pending({"intent": 2})
    await Publisher(folders, triton).recover()
    assert (triton.served, folders.live_versions("intent")) == ({"intent": [1]}, [1])
    assert not half_done.exists()


@pytest.mark.parametrize("text", [OF_ANOTHER, b"\xff\x00", b"[]", b'{"versions": {"intent": "two"}}'])
async def test_what_nobody_understands_is_told_and_nothing_is_published(folders, triton, version, half_done, text):
    half_done.write_bytes(text)
    with pytest.raises(NotUnderstood, match=r"rollout/pending\.json is .*: start the stack anew"):
        await Publisher(folders, triton).publish(Publication("intent", version("next")))
    assert half_done.read_bytes() == text
    assert triton.served["intent"] == [1, 2]


async def test_a_new_start_serves_what_the_records_say_whatever_was_begun(folders, triton, version, half_done):
    half_done.write_bytes(OF_ANOTHER)
    fill_live(folders.repository, folders.live_models.parent)
    triton.restart()
    assert (triton.served, folders.live_versions("intent")) == ({"intent": [1]}, [1])
    assert not half_done.exists()
    assert (await Publisher(folders, triton).publish(Publication("intent", version("next")))).champion == 2
