"""Every command against one running stack, as a user types it."""

import json
import os
import struct
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput

from conch.cli.shopper import shop as play_the_shopper
from conch.contracts.identifiers import texts_of
from conch.stores.catalogue_folder import CATALOGUES, CatalogueFolder
from conch.stores.ids import IdIndex, Kind
from conch.stores.snapshot import Snapshot

Conch = Callable[..., "subprocess.CompletedProcess[str]"]
SENTENCE = "Please summon the cleaning crew to aisle five."

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def conch(state: Path) -> Iterator[Conch]:
    """`conch("understand", "hi")` runs the command, with a key, on a stack of this file that asks for one."""

    def run(*arguments: str, state: Path = state, key: str = "") -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "conch.cli", *arguments, "--state", str(state)]
        environment = {**os.environ, "CONCH_API_KEY": key}
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)

    made = json.loads(run("keys", "create", "--json").stdout)
    up = run("up", "--detach")
    assert up.returncode == 0, up.stderr
    try:
        yield partial(run, key=made["key"])
    finally:
        assert run("down").returncode == 0


@pytest.fixture(scope="module")
def recording(tmp_path_factory, spoken) -> Path:
    return _wav(tmp_path_factory.mktemp("speech") / "command.wav", spoken(SENTENCE))


def _wav(path: Path, pcm: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, len(pcm), "NONE", ""))
        file.writeframes(pcm.tobytes())
    return path


def test_transcribe_prints_the_text(conch, recording):
    done = conch("transcribe", str(recording))
    assert done.returncode == 0, done.stderr
    assert "cleaning crew" in done.stdout.lower()


def test_transcribe_json_is_one_object_a_file(conch, recording):
    done = conch("transcribe", str(recording), str(recording), "--json", "--words")
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert [set(one) for one in objects] == [{"file", "text", "language", "duration_s", "segments"}] * 2
    assert objects[0]["file"] == str(recording)
    assert objects[0]["language"] == "en"
    (segment,) = objects[0]["segments"]
    assert segment["text"] == objects[0]["text"]
    assert 0 <= segment["start_s"] < segment["end_s"] <= objects[0]["duration_s"]
    assert "cleaning" in " ".join(word["text"].lower() for word in segment["words"])


def test_transcribe_writes_subtitles(conch, recording):
    assert conch("transcribe", str(recording), "--srt").stdout.startswith("1\n00:00:0")
    assert conch("transcribe", str(recording), "--vtt").stdout.startswith("WEBVTT\n")


def test_transcribe_says_nothing_of_silence(conch, tmp_path):
    silence = _wav(tmp_path / "silence.wav", np.zeros(32_000, np.int16))
    done = conch("transcribe", str(silence), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["text"], answer["segments"], answer["language"]) == ("", [], "")


def test_a_file_that_fails_is_named_and_the_others_go_on(conch, recording, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF, but no more")
    done = conch("transcribe", str(tmp_path / "missing.wav"), str(broken), str(recording))
    assert done.returncode == 1
    assert "cleaning crew" in done.stdout.lower()
    assert "missing.wav: cannot be read: No such file or directory" in done.stderr
    assert "broken.wav: " in done.stderr
    assert "Traceback" not in done.stderr


def test_two_formats_at_once_are_wrong_usage(conch, recording):
    assert conch("transcribe", str(recording), "--srt", "--json").returncode == 2


def test_understand_tells_intent_confidence_and_decision(conch):
    answer = json.loads(conch("understand", "summon the cleaning crew to aisle five", "--json").stdout)
    assert set(answer) == {
        "text",
        "intent",
        "confidence",
        "contacts",
        "team",
        "place",
        "decision",
        "reason",
        "scores",
    }
    assert (answer["intent"], answer["decision"]) == ("SUMMON_TEAM", "execute")
    assert (answer["team"], answer["place"]) == ("cleaning crew", "aisle five")
    assert answer["confidence"] == max(answer["scores"].values()) >= 0.85


def test_understand_tells_whom_a_call_means(conch):
    contacts = ("--contact", "Wojciech=Voychek", "--contact", "John")
    answer = json.loads(conch("understand", "please call Voychek", *contacts, "--json").stdout)
    assert (answer["intent"], answer["contacts"], answer["decision"]) == ("DIAL_PERSON", ["Wojciech"], "execute")


def test_understand_refuses_no_text(conch):
    done = conch("understand", "")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("InvalidRequest: ")


def test_without_a_key_the_edge_refuses_and_the_command_says_where_one_is_given(conch):
    done = conch("understand", "hi", key="")
    assert done.returncode == 1
    assert done.stderr.startswith("Unauthenticated: ")
    assert "--key or in CONCH_API_KEY" in done.stderr


def test_a_key_may_be_given_with_the_command(conch):
    made = json.loads(conch("keys", "create", "--json").stdout)["key"]
    assert conch("understand", "hi", "--key", made, key="").returncode == 0


def test_speak_saves_speech_that_is_understood_again(conch, tmp_path):
    reply = tmp_path / "reply.wav"
    answer = json.loads(conch("speak", SENTENCE, "-o", str(reply), "--json").stdout)
    with wave.open(str(reply)) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(answer["duration_s"], abs=0.01)
    assert "cleaning crew" in conch("transcribe", str(reply)).stdout.lower()


def test_embed_gives_a_vector_of_unit_length_a_text(conch):
    done = conch("embed", "a red bicycle", "a crimson bike", "--json")
    vectors = [np.array(json.loads(line)["embedding"]) for line in done.stdout.splitlines()]
    assert [vector.shape for vector in vectors] == [(384,), (384,)]
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-3)


def test_models_list_tells_what_is_served(conch):
    assert "whisper" in conch("models", "list").stdout


def test_listen_shows_a_command_from_its_first_words_to_what_is_done_while_it_is_played(conch, tmp_path, spoken):
    """Silence follows the command, in which all of it is told: it is decided long before the session's end."""
    said = _wav(tmp_path / "command.wav", np.concatenate([spoken(SENTENCE), np.zeros(3 * 16_000, np.int16)]))
    for _ in range(3):  # a machine that cannot keep up leaves partial texts out, and nothing else
        done = conch("listen", str(said), "--realtime", "--json")
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        names = [event["event"] for event in events]
        if "partial" in names:
            break
    told = [names.index(name) for name in ("speech_started", "partial", "final", "intent", "decision", "ended")]
    assert told == sorted(told), names
    of = {event["event"]: event for event in events}
    assert "cleaning crew" in of["final"]["text"].lower()
    assert of["final"]["end_reason"] == "endpoint"
    assert (of["intent"]["intent"], of["decision"]["decision"]) == ("SUMMON_TEAM", "execute")
    assert (of["action"]["action"], of["action"]["state"]) == ("summon", "done")
    assert of["account"]["received"] == of["account"]["sent"] > len(spoken(SENTENCE)) + 3 * 16_000


@pytest.mark.parametrize(
    "heard",
    [np.zeros(64_000), np.random.default_rng(3).normal(0, 1500, 64_000), 4000 * np.sin(np.arange(64_000) * 0.12)],
    ids=["silence", "noise", "a hum"],
)
def test_listen_hears_no_intent_where_nobody_speaks(conch, tmp_path, heard):
    done = conch("listen", str(_wav(tmp_path / "nothing.wav", heard.astype(np.int16))), "--json")
    assert done.returncode == 0, done.stderr
    names = {json.loads(line)["event"] for line in done.stdout.splitlines()}
    assert {"started", "ended", "account"} <= names
    assert not names & {"intent", "decision", "action", "speech"}


def test_listen_wants_a_device_that_is_registered(conch, recording):
    done = conch("listen", str(recording), "--device", "watch-9")
    assert (done.returncode, "conch devices add watch-9" in done.stderr) == (1, True)


def test_voice_sim_accounts_for_every_sample_of_devices_that_are_gone_afterwards(conch):
    done = conch("voice-sim", "--devices", "2", "--seconds", "0", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["devices"], report["turns"], report["unheard"], report["unbalanced"]) == (2, 2, 0, [])
    assert report["received"] + report["gap"] + report["dropped"] == report["sent"] > 0
    assert report["word_error_rate"] < 0.5
    assert report["final"]["count"] == 2
    assert sum(report["decisions"].values()) == 2
    assert "sim-" not in conch("devices", "list", "--json").stdout


def test_voice_sim_plays_a_folder_of_recordings(conch, recording):
    recording.with_suffix(".txt").write_text(SENTENCE)
    done = conch("voice-sim", "--devices", "1", "--seconds", "0", "--clips", str(recording.parent))
    assert done.returncode == 0, done.stderr
    assert "1 by 1 devices" in done.stdout
    assert "1 execute" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [("understand", "hi"), ("embed", "hi"), ("speak", "hi", "-o", "hi.wav"), ("transcribe", "hi.wav"), ("status",)],
    ids=lambda arguments: arguments[0],
)
def test_without_a_stack_a_command_says_how_to_start_one(conch, tmp_path, arguments):
    done = conch(*arguments, state=tmp_path)
    assert done.returncode == 3
    assert f"conch up --detach --state {tmp_path}" in done.stderr.replace("\n", "")


def test_a_model_is_updated_under_load_and_healed_and_no_caller_notices(conch):
    done = conch("demo", "swap")
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines()]
    for words in ("version 2 is live", "version 3 is refused: output intent is", "version 1 is live again", "healed"):
        assert sum(line.startswith(words) for line in told) == 1, done.stdout
    assert told[-1].endswith("calls, 0 errors")

    history = [json.loads(line) for line in conch("models", "history", "intent", "--json").stdout.splitlines()]
    assert [line["action"] for line in history] == ["promoted", "refused", "rolled back", "healed"]


@pytest.fixture(scope="module")
def shop(conch: Conch) -> None:
    done = conch("catalogue", "generate", "--masters", "2000", "--seed", "1", "--relations")
    assert done.returncode == 0, done.stderr


def bare_list(triton: InferenceServerClient, asked: dict[str, str], most: int) -> list[tuple[str, float]]:
    """Of the ensemble, by a client that knows nothing of us but the layout of an item: pid and score."""
    tensors = [InferInput("k", [1, 1], "INT32").set_data_from_numpy(np.array([[most]], np.int32))]
    for name, value in asked.items():
        tensors.append(InferInput(name, [1, 1], "BYTES").set_data_from_numpy(np.array([[value.encode()]], object)))
    answer = triton.infer("recommend", tensors)
    records = [row.tobytes() for row in answer.as_numpy("items")[0]]
    return [(str(UUID(bytes=record[:16])), struct.unpack_from("<f", record, 36)[0]) for record in records]


def test_recommend_prints_the_list_that_any_kserve_client_gets(conch, shop, state):
    status = json.loads(conch("status", "--json").stdout)
    folder = CatalogueFolder.of(state / CATALOGUES, "default")
    ids = IdIndex.open(folder.ids)
    item = texts_of(ids.uuids(Kind.PIDS, np.array([7], np.uint32)))[0]
    category = ids.text(Kind.CATEGORIES, int(Snapshot.open(folder.snapshot).columns.master_category[7]))
    wishes = [
        {"user": "user-1"},
        {"user": "user-1", "item": item, "widget": "product"},
        {"user": "nobody", "category": category, "widget": "category"},
        {"user": "user-1", "category": category, "widget": "sponsored"},
    ]
    lists = []
    with InferenceServerClient(status["services"]["triton"]["addresses"]["grpc"]) as triton:
        for wish in wishes:
            options = [word for name, value in wish.items() for word in (f"--{name}", value)]
            done = conch("recommend", *options, "-k", "5", "--json")
            assert done.returncode == 0, done.stderr
            answer = json.loads(done.stdout)
            assert {"items", "recommendation_id", "variant", "degraded", "fallback"} <= answer.keys()
            assert {"pid", "master", "score", "provenance"} <= answer["items"][0].keys()
            printed = [(one["pid"], pytest.approx(one["score"])) for one in answer["items"]]
            assert len(printed) == 5
            assert bare_list(triton, wish, 5) == printed, wish
            lists.append(tuple(pid for pid, _ in printed))
    assert len(set(lists)) == len(wishes)


def test_what_is_tracked_is_reported_and_who_is_forgotten_is_not(conch, shop, tmp_path):
    answer = json.loads(conch("recommend", "--user", "user-2", "-k", "1", "--json").stdout)
    seen = {"user": "user-2", "pid": answer["items"][0]["pid"], "recommendation_id": answer["recommendation_id"]}
    file = tmp_path / "events.jsonl"
    lines = [{"kind": "impression", "variant": answer["variant"], **seen}, {"kind": "click", **seen}, {"kind": "click"}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = conch("track", str(file), "--json")
    assert done.returncode == 1, done.stderr
    tracked = json.loads(done.stdout)
    assert (tracked["accepted"], [one["line"] for one in tracked["refused"]]) == (2, [3])
    (variant,) = map(json.loads, conch("experiments", "report", "--json").stdout.splitlines())
    assert (variant["variant"], variant["metrics"]["ctr"]["value"]) == (answer["variant"], 1.0)
    forgotten = conch("users", "forget", "user-2")
    assert forgotten.returncode == 0, forgotten.stderr
    assert conch("experiments", "report", "--json").stdout == ""


def test_the_shopper_of_the_demo_sees_a_sale_and_is_answered_without_redis(conch, shop, state, capsys):
    play_the_shopper(state, conch.keywords["key"])
    told = capsys.readouterr().out
    for words in ("has looked at", "and is recommended:", "A flash sale begins", "flash sale", "degraded: redis"):
        assert words in told


def test_search_finds_goods_by_what_their_titles_mean_once_they_are_related(conch, shop):
    nothing = conch("search", "anything", "--json")
    assert json.loads(nothing.stdout) == {"items": [], "embedding_version": ""}, nothing.stderr
    done = conch("relations", "build", "--since", "10m", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert 3 < report["chosen"] == report["related"] == report["indexed"]
    (first, *_) = json.loads(conch("search", "anything", "-k", "3", "--json").stdout)["items"]
    found = json.loads(conch("search", first["title"], "-k", "3", "--json").stdout)
    assert found["embedding_version"] == "1"
    assert found["items"][0]["title"] == first["title"]
    assert found["items"][0]["similarity"] == pytest.approx(1, abs=0.02)
    assert len(found["items"]) == 3
    assert {"pid", "price", "in_stock"} == found["items"][0]["offers"][0].keys()
    assert first["title"][:10] in conch("search", first["title"]).stdout
