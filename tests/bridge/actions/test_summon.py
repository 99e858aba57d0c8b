import json

import pytest

from bridge.actions.order import Kind, NotDone, Unsure
from bridge.actions.summon import Summon
from conch.contracts.errors import DeadlineExceeded, Unavailable
from conch.contracts.topics import summon_topic
from tests.bridge.actions.conftest import ordered

SUMMONS = {"kind": Kind.SUMMON, "team": "cleaning crew", "place": "aisle 5", "text": "cleaning crew to aisle 5"}


async def test_a_summons_is_one_object_on_its_tenant_s_topic():
    sent = []

    async def deliver(topic, payload, within_s):
        sent.append((topic, json.loads(payload), within_s))

    await Summon(deliver, 10.0).act(ordered(**SUMMONS), 7.0)
    assert sent == [
        (
            "team/summon",
            {
                "command_id": "7a0e",
                "team": "cleaning crew",
                "place": "aisle 5",
                "device": "watch-1",
                "time": "2026-01-02T03:04:05.678Z",
                "text": "cleaning crew to aisle 5",
            },
            7.0,
        )
    ]
    assert summon_topic("acme") == "t/acme/team/summon"


@pytest.mark.parametrize(
    ("fails", "ends"),
    [(Unavailable("the broker was away"), NotDone), (DeadlineExceeded("no word of the broker"), Unsure)],
    ids=["never sent", "perhaps sent"],
)
async def test_a_summons_that_the_broker_has_not_taken_is_not_done_or_in_doubt(fails, ends):
    async def deliver(topic, payload, within_s):
        raise fails

    with pytest.raises(ends, match=fails.message):
        await Summon(deliver, 10.0).act(ordered(**SUMMONS), 7.0)
