"""The probe against a server that answers as Triton does, and as a sick Triton does."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conch.clients.faults import EVERY
from conch.rollout.folders import Folders
from conch.rollout.orders import Deed, Order
from conch.rollout.servers import STACK
from conch.stack.failures import Patience
from conch.stack.heals import REST_S, Heals
from conch.stack.processes import ProcessMark
from conch.stack.samples import sample
from conch.stack.service import Hopeless, NotYet, Sick
from conch.stack.triton_probe import ASK_EVERY_S, HUNG_S, Ordered, SickModel, TritonProbe
from tests.stack.test_stubs import running_server

DEAD = (500, {"error": "Stub process 'intent_0' is not healthy."})
LATE = (503, {"error": "Request timeout expired"})
IMPATIENT = Patience(delays_s=(0.0,))
WELL = (200, {"outputs": []})


def config(name, **more):
    return {
        "name": name,
        "max_batch_size": 8,
        "input": [{"name": "text", "data_type": "TYPE_STRING", "dims": [1]}],
        **more,
    }


class FakeTriton:
    """Models by name; `answers` says what each infers, `loaded` what was loaded."""

    def __init__(self):
        self.models = {"intent": {"state": "READY"}}
        self.configs = {"intent": config("intent")}
        self.counts = {"intent": 0}
        self.answers = {"intent": WELL}
        self.load_answer = ""
        self.asked = []
        self.loaded = []

    def answer(self, path, body):
        if path == "/v2/repository/index":
            return 200, [{"name": name, **model} for name, model in self.models.items()]
        if path == "/v2/models/stats":
            return 200, {"model_stats": [statistics(name, count) for name, count in self.counts.items()]}
        *_, name, action = path.split("/")
        if action == "config":
            return 200, self.configs[name]
        self.asked.append((name, body))
        return self.answers[name]

    async def load(self, model, deadline_s):
        self.loaded.append(model)
        self.answers[model] = WELL
        return self.load_answer


def statistics(name, count):
    return {"name": name, "inference_stats": {"success": {"count": count}}}


@pytest.fixture
def triton():
    fake = FakeTriton()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            size = int(self.headers.get("content-length", 0))
            status, answer = fake.answer(self.path, json.loads(self.rfile.read(size) or "null"))
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - the base class finds it by this name

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    fake.address = f"127.0.0.1:{server.server_port}"
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "live/models/intent/1").mkdir(parents=True)
    return Folders(tmp_path)


@pytest.fixture
def probe(triton, clock, folders):
    return TritonProbe(
        triton.address,
        triton,
        ProcessMark.of(os.getpid()),
        folders,
        first_start=True,
        clock=clock,
        heals=Heals(IMPATIENT),
    )


async def test_a_triton_is_ready_when_every_model_infers(probe, triton):
    await probe.ready()
    [(name, body)] = triton.asked
    assert name == "intent"
    assert body["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": ["hello"]}]


async def test_a_model_that_says_ready_and_does_not_infer_is_not_ready(probe, triton):
    triton.answers["intent"] = DEAD
    with pytest.raises(NotYet, match="model intent does not infer: Stub process"):
        await probe.ready()


async def test_a_loading_model_and_an_absent_server_are_waited_for(probe, triton, folders):
    triton.models["intent"]["state"] = "LOADING"
    with pytest.raises(NotYet, match="model intent is loading"):
        await probe.ready()
    with pytest.raises(NotYet, match="ConnectError"):
        await TritonProbe("127.0.0.1:1", triton, ProcessMark.of(os.getpid()), folders, first_start=True).ready()


async def test_a_model_that_cannot_be_loaded_is_named_with_the_reason_alone(probe, triton):
    triton.models["intent"] = {"state": "UNAVAILABLE", "reason": "Internal: no weights\n\nAt:\n  model.py(3)"}
    with pytest.raises(Hopeless, match=r"^model intent cannot be loaded: Internal: no weights$"):
        await probe.ready()


async def test_a_model_that_was_not_even_tried_is_named_too(probe, triton):
    triton.models["voice"] = {}
    with pytest.raises(Hopeless, match=r"^model voice cannot be loaded: no reason was given$"):
        await probe.ready()


async def test_after_a_restart_the_other_models_are_served(triton, folders, caplog):
    triton.models["broken"] = {"state": "UNAVAILABLE", "reason": "no weights"}
    await TritonProbe(triton.address, triton, ProcessMark.of(os.getpid()), folders, first_start=False).ready()
    assert caplog.messages == ["model broken cannot be loaded: no weights; the others are served"]


async def test_a_model_on_demand_is_not_awaited(probe, triton, folders):
    triton.models |= {"rare": {"state": ""}}
    with pytest.raises(Hopeless, match="rare"):
        await probe.ready()
    folders.on_demand.write({"rare": False})
    await probe.ready()


async def test_an_unloaded_model_is_nobodys_mistake_and_an_ensemble_is_not_asked(probe, triton):
    triton.models |= {"old": {"state": "UNAVAILABLE", "reason": "unloaded"}, "voice": {"state": "READY"}}
    triton.configs["voice"] = config("voice", platform="ensemble")
    await probe.ready()
    assert [name for name, _ in triton.asked] == ["intent"]


async def test_an_idle_model_is_asked_and_one_that_answers_others_is_not(probe, triton, clock):
    await probe.ready()
    await probe.look()
    triton.asked.clear()

    clock.advance(ASK_EVERY_S)
    triton.counts["intent"] += 1
    await probe.look()
    assert triton.asked == []

    clock.advance(ASK_EVERY_S)
    await probe.look()
    assert [name for name, _ in triton.asked] == ["intent"]


async def test_a_model_without_its_stub_is_sick_at_the_second_look(probe, triton, clock):
    await probe.ready()
    await probe.look()
    triton.answers["intent"] = DEAD
    clock.advance(ASK_EVERY_S)
    await probe.look()
    with pytest.raises(SickModel, match="model intent does not infer"):
        await probe.look()


async def test_a_stub_that_had_no_processor_for_a_moment_is_well(probe, triton, clock):
    await probe.ready()
    await probe.look()
    triton.answers["intent"] = DEAD
    clock.advance(ASK_EVERY_S)
    await probe.look()
    triton.answers["intent"] = WELL
    await probe.look()
    triton.answers["intent"] = DEAD
    clock.advance(ASK_EVERY_S)
    await probe.look()


async def test_a_model_that_refuses_the_sample_is_alive(probe, triton, clock):
    await probe.ready()
    await probe.look()
    triton.answers["intent"] = (400, {"error": "model intent: InvalidRequest: text is empty"})
    for _ in range(3):
        clock.advance(ASK_EVERY_S)
        await probe.look()


async def test_a_busy_model_is_not_hung_until_long_after_its_last_answer(probe, triton, clock):
    await probe.ready()
    await probe.look()
    triton.answers["intent"] = LATE
    clock.advance(HUNG_S)
    triton.counts["intent"] += 1
    await probe.look()

    clock.advance(HUNG_S)
    await probe.look()
    clock.advance(ASK_EVERY_S)
    with pytest.raises(SickModel, match="model intent has not answered for 35 s") as sick:
        await probe.look()
    assert sick.value.hung


async def test_a_sick_model_is_loaded_as_if_it_had_changed(probe, triton, folders):
    await probe.ready()
    os.utime(folders.version("intent", 1), (0, 0))
    await probe.heal(SickModel("intent", "has lost its python stub"))
    assert triton.loaded == ["intent"]
    assert (folders.version("intent", 1)).stat().st_mtime > 0


async def test_a_model_that_cannot_be_loaded_again_needs_a_new_server(probe, triton):
    await probe.ready()
    triton.load_answer = "no weights"
    with pytest.raises(Sick, match="model intent cannot be loaded again: no weights"):
        await probe.heal(SickModel("intent", "has lost its python stub"))


async def test_a_model_that_dies_again_and_again_needs_a_new_server(probe, triton):
    await probe.ready()
    sick = SickModel("intent", "has lost its python stub")
    for _ in range(4):
        await probe.heal(sick)
    with pytest.raises(Sick, match="has lost its python stub, 5 times in a row"):
        await probe.heal(sick)


@pytest.fixture
def stubbed(tmp_path):
    with running_server(tmp_path) as process:
        yield process


async def died(probe, process):
    """What a look finds when the model's stub has died."""
    stub = process.start("intent", "intent_0_0")
    await probe.look()
    stub.end()
    await probe.look()
    await probe.look()


async def test_a_model_that_goes_on_dying_in_the_new_server_is_told_of_and_healed_a_minute_later(
    triton, clock, folders, stubbed
):
    heals = Heals(Patience(failures=2, delays_s=(0.0,)))
    for last in ("times in a row", ""):
        probe = TritonProbe(triton.address, triton, stubbed.mark, folders, False, clock, heals)
        await probe.ready()
        with pytest.raises(SickModel) as first:
            await died(probe, stubbed)
        await probe.heal(first.value)
        with pytest.raises(SickModel) as second:
            await died(probe, stubbed)
        with pytest.raises(Sick, match=last) if last else contextlib.nullcontext():
            await probe.heal(second.value)
    assert folders.faults.of("intent") == ""
    await died(probe, stubbed)
    assert folders.faults.of("intent") == "model intent has lost its python stub"
    clock.advance(REST_S)
    with pytest.raises(SickModel) as third:
        await probe.look()
    await probe.heal(third.value)
    assert folders.faults.of("intent") == ""


async def test_a_server_that_is_sick_as_a_whole_is_not_healed_by_a_load(probe, triton):
    with pytest.raises(Sick, match="no answer"):
        await probe.heal(Sick("no answer"))
    assert triton.loaded == []


async def test_a_decoupled_model_is_asked_by_its_stream(probe, triton):
    triton.models = {"piper": {"state": "READY"}}
    triton.configs["piper"] = config("piper", model_transaction_policy={"decoupled": True})
    original = triton.answer
    streamed = []

    def answer(path, body):
        if path == "/v2/models/piper/generate_stream":
            streamed.append(body)
            return 200, 'data: {"pcm16": [1]}\n\ndata: {"error": "Stub process is not healthy"}\n\n'
        return original(path, body)

    triton.answer = answer
    with pytest.raises(NotYet, match="model piper does not infer: Stub process"):
        await probe.ready()
    assert streamed == [{"text": ["a"]}]


def test_a_sample_of_an_unknown_model_fills_what_is_required():
    inputs = [
        {"name": "ids", "data_type": "TYPE_INT64", "dims": [-1, 2]},
        {"name": "flag", "data_type": "TYPE_BOOL", "dims": [1]},
        {"name": "scale", "data_type": "TYPE_FP32", "dims": [1], "optional": True},
        {"name": "gain", "data_type": "TYPE_FP32", "dims": [1]},
    ]
    assert sample({"name": "other", "input": inputs}) == {"ids": [0, 0], "flag": [False], "gain": [0.0]}


def test_a_sample_of_a_model_with_an_example_is_that():
    parameters = {"example": {"string_value": '{"ids": [[1, 2]], "text": "shoes"}'}}
    assert sample(config("other", parameters=parameters)) == {"ids": [1, 2], "text": ["shoes"]}


@pytest.mark.parametrize("example", ["no JSON", "[1]", ""])
def test_an_example_that_is_none_is_passed_over(example):
    parameters = {"example": {"string_value": example}}
    assert sample(config("other", parameters=parameters)) == {"text": ["hello"]}


async def test_what_was_healed_is_told_with_its_reason(probe, folders):
    await probe.ready()
    await probe.heal(SickModel("intent", "has lost its python stub"))
    [line] = folders.journal.lines("intent")
    assert (line.action, line.evidence["reason"]) == ("healed", "model intent has lost its python stub")


async def test_a_restart_that_was_ordered_is_begun_politely(triton, folders, clock):
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])  # noqa: ASYNC220 - it takes no time
    probe = TritonProbe(triton.address, triton, ProcessMark.of(process.pid), folders, first_start=True, clock=clock)
    await probe.ready()
    folders.orders.give(STACK, Order(Deed.RESTART, "it is wedged"))
    with pytest.raises(Ordered, match="it is wedged") as ordered:
        await probe.look()
    with pytest.raises(Ordered):
        await probe.heal(ordered.value)
    assert process.wait() == -signal.SIGTERM
    await probe.look()


def ensemble_of(folders, model):
    folder = folders.root / "live/ensembles/voice"
    folder.mkdir(parents=True)
    step = f'step {{ model_name: "{model}" model_version: -1 }}'
    (folder / "config.pbtxt").write_text(f'platform: "ensemble"\nensemble_scheduling {{ {step} }}\n')


async def test_a_fault_is_told_when_it_is_found_and_until_a_probe_passes(probe, triton, folders, clock):
    ensemble_of(folders, "intent")
    folders.faults.begin([EVERY], "Triton is being started")
    await probe.ready()
    assert folders.faults.read() == {}
    await probe.look()
    clock.advance(ASK_EVERY_S)
    triton.answers["intent"] = DEAD
    await probe.look()
    with pytest.raises(SickModel) as sick:
        await probe.look()
    assert folders.faults.read() == dict.fromkeys(["intent", "voice"], sick.value.message)
    triton.load_answer = "no weights"
    with pytest.raises(Sick):
        await probe.heal(sick.value)
    assert folders.faults.of("intent") == sick.value.message
    triton.load_answer = ""
    await probe.heal(sick.value)
    assert folders.faults.read() == {}


async def test_an_ordered_restart_is_a_fault_of_the_whole_server(probe, folders):
    await probe.ready()
    folders.orders.give(STACK, Order(Deed.RESTART, "its load does not end"))
    with pytest.raises(Ordered) as ordered:
        await probe.look()
    assert folders.faults.of("anything") == ordered.value.message
