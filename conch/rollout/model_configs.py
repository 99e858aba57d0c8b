"""Hold a model's config.pbtxt against its spec, and against what every config of ours promises.

A check gives its findings as sentences; a config without any is right.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from conch.clients.model_config import kind_name, parse_config, rejects, type_name
from conch.contracts.specs import PRIORITY_BULK, ModelSpec, TensorSpec

PATIENCE_S = 30
"""A request's own timeout counts only where the default is larger."""

Kind = Literal["KIND_CPU", "KIND_GPU"]


def parse(path: Path) -> Any:
    """A ModelConfig; an unknown field is an error, as it is to Triton."""
    return parse_config(path.read_text())


def findings(config: Any, spec: ModelSpec, kind: Kind) -> list[str]:
    whole = [*_tensors(config, spec), *_scheduling(config)]
    if spec.is_lookup:
        return [*whole, *_instances(config, "KIND_CPU")]
    return [*whole, *_instances(config, kind), *_parameters(config, kind)]


def entry_point_findings(source: str, module: str, model_class: str) -> list[str]:
    """Of a 1/model.py, which names its class and nothing more."""
    wanted = (
        f'"""Triton entry point; the logic is {module.replace(".", "/")}.py."""\n'
        f"from {module} import {model_class}\n"
        "from conch.triton.adapter import TritonModel\n"
        "class TritonPythonModel(TritonModel):\n"
        f"    model_class = {model_class}\n"
    )
    if ast.dump(ast.parse(source)) == ast.dump(ast.parse(wanted)):
        return []
    return [f"model.py is more, or less, than the entry point of {module}.{model_class}"]


def tensor_findings(declared: Any, wanted: TensorSpec, who: str) -> Iterator[str]:
    """Of one input or output that a config declares."""
    if type_name(declared) != wanted.data_type:
        yield f"{who} is {type_name(declared)}, the spec says {wanted.data_type}"
    if tuple(declared.dims) != wanted.dims:
        yield f"{who} has dims {list(declared.dims)}, the spec says {list(wanted.dims)}"


def names_differ(declared: Sequence[Any], wanted: Sequence[TensorSpec], what: str) -> Iterator[str]:
    ours, theirs = [tensor.name for tensor in declared], [tensor.name for tensor in wanted]
    if ours != theirs:
        yield f"{what} are {', '.join(ours) or 'none'}; the spec says {', '.join(theirs)}"


def _tensors(config: Any, spec: ModelSpec) -> Iterator[str]:
    if config.name != spec.name:
        yield f"the name is {config.name}, the spec says {spec.name}"
    yield from names_differ(config.input, spec.inputs, "inputs")
    yield from names_differ(config.output, spec.outputs, "outputs")
    for declared in config.input:
        for wanted in (tensor for tensor in spec.inputs if tensor.name == declared.name):
            who = f"input {declared.name}"
            yield from tensor_findings(declared, wanted, who)
            if declared.optional != wanted.optional:
                yield f"{who} has optional {declared.optional}, the spec says {wanted.optional}"
            if declared.allow_ragged_batch != wanted.ragged:
                yield f"{who} has allow_ragged_batch {declared.allow_ragged_batch}, its dims want {wanted.ragged}"
    for declared in config.output:
        for wanted in (tensor for tensor in spec.outputs if tensor.name == declared.name):
            yield from tensor_findings(declared, wanted, f"output {declared.name}")
    for tensor in (*config.input, *config.output):
        if tensor.HasField("reshape"):
            yield f"{tensor.name} is reshaped on its way, the spec knows one shape"
    if config.model_transaction_policy.decoupled != spec.decoupled:
        yield f"decoupled is {config.model_transaction_policy.decoupled}, the spec says {spec.decoupled}"


def _scheduling(config: Any) -> Iterator[str]:
    if config.max_batch_size < 1:
        yield f"max_batch_size is {config.max_batch_size}, at least 1 gives a model its queue policy"
    if config.WhichOneof("scheduling_choice") != "dynamic_batching":
        yield f"the scheduler is {config.WhichOneof('scheduling_choice')}, not dynamic_batching"
    batching = config.dynamic_batching
    if batching.priority_levels != PRIORITY_BULK:
        yield f"priority_levels is {batching.priority_levels}, not {PRIORITY_BULK}"
    if batching.default_priority_level != PRIORITY_BULK:
        yield f"default_priority_level is {batching.default_priority_level}, not {PRIORITY_BULK}"
    if batching.max_queue_delay_microseconds:
        yield f"max_queue_delay_microseconds is {batching.max_queue_delay_microseconds}: low traffic pays it in full"
    yield from _queue(batching.default_queue_policy, "default_queue_policy")
    for level, policy in sorted(batching.priority_queue_policy.items()):
        yield from _queue(policy, f"priority_queue_policy {level}")
    if config.response_cache.enable:
        yield "response_cache is on: its key is the inputs, and knows no tenant, no time and no store"
    if config.HasField("version_policy"):
        yield "version_policy is set: the controller writes it"


def _queue(policy: Any, who: str) -> Iterator[str]:
    if not rejects(policy):
        yield f"{who} delays what is late, it should REJECT"
    if policy.default_timeout_microseconds < PATIENCE_S * 1_000_000:
        yield f"{who} waits {policy.default_timeout_microseconds} µs, a request's own timeout wants {PATIENCE_S} s"
    if not policy.allow_timeout_override:
        yield f"{who} ignores a request's own timeout"
    if not policy.max_queue_size:
        yield f"{who} has no bound"


def _instances(config: Any, kind: Kind) -> Iterator[str]:
    if not config.instance_group:
        yield f"no instance_group: Triton would choose the device, {kind} is wanted"
    for group in config.instance_group:
        found = kind_name(group)
        if found != kind:
            yield f"instance_group is {found}, not {kind}"
        if group.count < 1:
            yield f"instance_group has count {group.count}: Triton would choose it"


def _parameters(config: Any, kind: Kind) -> Iterator[str]:
    values = {name: value.string_value for name, value in sorted(config.parameters.items())}
    threads = {name: value for name, value in values.items() if name.endswith("_threads")}
    if not threads:
        yield "no thread count among the parameters: oversubscription costs 3 to 8 times"
    for name, value in threads.items():
        if not value.isdecimal() or int(value) < 1:
            yield f"parameter {name} is {value!r}, not a whole number from 1"
    yield from _computing(values, kind)


def _computing(values: Mapping[str, str], kind: Kind) -> Iterator[str]:
    """CTranslate2 has a compute_type, ONNX Runtime has execution_providers; a model with both is mainly the former."""
    providers, compute_type = values.get("execution_providers"), values.get("compute_type")
    if providers is None and compute_type is None:
        yield "neither execution_providers nor compute_type says what computes"
    if kind == "KIND_GPU" and compute_type not in (None, "float16"):
        yield f"compute_type is {compute_type} on KIND_GPU, not float16"
    wanted = {"cpu"} if kind == "KIND_CPU" else {"tensorrt,cuda,cpu"}
    if providers is not None and providers not in (wanted if compute_type is None else wanted | {"cpu"}):
        yield f"execution_providers is {providers} on {kind}"
