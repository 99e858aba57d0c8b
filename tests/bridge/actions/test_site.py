"""What a site's settings make of its actions, and which settings are refused, by name."""

import pytest

from bridge.actions.dial import Dial
from bridge.actions.forward import Forward
from bridge.actions.order import Kind, NotDone, Unset
from bridge.actions.site import WrongSettings, outbound_of, ways_of
from bridge.actions.summon import Summon
from bridge.actions.webhook import Webhook
from bridge.settings import Settings
from tests.bridge.actions.conftest import ordered

SECRET = "whsec_" + "A" * 32
HOOK = {
    "outbound_urls": ("https://hooks.example.com/",),
    "webhook_url": "https://hooks.example.com/a",
    "webhook_secret": SECRET,
}
ARI = {
    "dial_by": "ari",
    "outbound_urls": ("http://127.0.0.1:8088/ari",),
    "ari_url": "http://127.0.0.1:8088/ari",
    "ari_user": "conch",
    "ari_password": "secret",
    "ari_extension": "100",
}


async def deliver(topic: str, payload: bytes, within_s: float) -> None: ...


def ways(**settings):
    site = Settings(**settings)
    return ways_of(site, outbound_of(site), deliver, lambda name: None)


def refusal(way) -> NotDone:
    with pytest.raises(NotDone) as refused:
        way.check(ordered())
    return refused.value


def test_a_site_that_sets_nothing_summons_by_mqtt_and_says_what_it_has_not():
    bare = ways()
    assert isinstance(bare[Kind.SUMMON], Summon)
    assert (refusal(bare[Kind.DIAL]).message, refusal(bare[Kind.DIAL]).reply) == (
        "CONCH_BRIDGE_DIAL_BY is none",
        "Calls are not set up here.",
    )
    assert refusal(bare[Kind.FORWARD]).reply == "No assistant is configured, so I cannot answer that."
    assert refusal(bare[Kind.OTHER]).reply == "I cannot do that here."
    assert set(bare) == set(Kind)


def test_a_site_has_what_it_sets():
    both = {**HOOK, **ARI, "outbound_urls": (*HOOK["outbound_urls"], *ARI["outbound_urls"])}
    every = ways(**both, summon_by="webhook", assistant_url="http://127.0.0.1:8050/v1")
    kinds = {kind: type(way) for kind, way in every.items()}
    assert kinds == {Kind.SUMMON: Webhook, Kind.DIAL: Dial, Kind.FORWARD: Forward, Kind.OTHER: Unset}


def test_a_site_that_forwards_nothing_sends_no_text_whatever_assistant_is_set():
    way = ways(forward_by="none", assistant_url="http://127.0.0.1:8050/v1")[Kind.FORWARD]
    assert isinstance(way, Unset)
    assert refusal(way).reply == "Questions are not answered here."


def test_a_site_that_summons_nobody_says_so():
    assert refusal(ways(summon_by="none")[Kind.SUMMON]).reply == "Summoning a team is not set up here."


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dial_by": "webhook"}, "CONCH_BRIDGE_WEBHOOK_URL: is empty"),
        ({**HOOK, "summon_by": "webhook", "webhook_secret": "short"}, "CONCH_BRIDGE_WEBHOOK_SECRET: .* base64"),
        ({**HOOK, "summon_by": "webhook", "outbound_urls": ()}, "CONCH_BRIDGE_WEBHOOK_URL: .* may be called"),
        ({**HOOK, "dial_by": "webhook", "webhook_url": "ftp://a"}, "CONCH_BRIDGE_WEBHOOK_URL: .*http"),
        ({"outbound_urls": ("nowhere",)}, "CONCH_BRIDGE_OUTBOUND_URLS: "),
        ({**ARI, "ari_url": ""}, "CONCH_BRIDGE_ARI_URL: is empty"),
        ({**ARI, "ari_user": ""}, "CONCH_BRIDGE_ARI_USER is empty, and CONCH_BRIDGE_DIAL_BY is ari"),
        ({**ARI, "ari_password": ""}, "CONCH_BRIDGE_ARI_PASSWORD is empty"),
        ({**ARI, "ari_extension": ""}, "CONCH_BRIDGE_ARI_EXTENSION is empty"),
        ({**ARI, "outbound_urls": ("http://127.0.0.1:8089",)}, "CONCH_BRIDGE_ARI_URL: .* may be called"),
        ({"outbound_ca_file": "/nowhere.pem"}, "CONCH_BRIDGE_OUTBOUND_CA_FILE: /nowhere.pem"),
    ],
    ids=lambda words: words if isinstance(words, str) else "",
)
def test_settings_that_disagree_are_refused_by_name(settings, words):
    with pytest.raises(WrongSettings, match=words) as refused:
        ways(**settings)
    assert "short" not in refused.value.message


def test_a_secret_is_read_from_a_file_of_its_variable_s_name(tmp_path):
    (tmp_path / "conch_bridge_webhook_secret").write_text(SECRET)
    settings = Settings(_secrets_dir=tmp_path)
    assert settings.webhook_secret.get_secret_value() == SECRET
    assert SECRET not in repr(settings)
