import importlib.util

import pytest

from conch.contracts.errors import Unavailable
from conch.stack.service import Site
from conch.stack.services.bridge import Bridge
from conch.stack.services.llm import Llm
from conch.stack.state import StateFolder

ADDRESSES = {
    "mqtt": {"mqtt5": "127.0.0.1:1884"},
    "edge": {"internal": "127.0.0.1:8003"},
    "bridge": {"metrics": "127.0.0.1:8040"},
}


def test_a_missing_wheel_is_told_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"xllamacpp is not installed .* pip install 'conch\[llm\]'"):
        Llm().prepare(Site(StateFolder(tmp_path)))


def test_missing_weights_are_told_with_how_to_pull_them(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match=r"smollm2/1/model\.gguf are missing.*run: conch models pull smollm2"):
        Llm().prepare(Site(StateFolder(tmp_path)))


def test_the_bridge_asks_the_llm_that_is_started_with_it_and_otherwise_whom_it_is_told(tmp_path):
    def told(addresses):
        launch = Bridge().launch(Site(StateFolder(tmp_path), addresses=addresses))
        return {name: value for name, value in launch.environment.items() if "ASSISTANT" in name}

    assert told(ADDRESSES) == {}
    assert told({**ADDRESSES, "llm": {"http": "127.0.0.1:8050"}}) == {
        "CONCH_BRIDGE_ASSISTANT_URL": "http://127.0.0.1:8050/v1",
        "CONCH_BRIDGE_ASSISTANT_MODEL": "smollm2",
    }
