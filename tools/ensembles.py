"""Hold an ensemble's config.pbtxt against its steps: what Triton finds only at load, or never.

A tensor of an ensemble has one source: the ensemble's input, or one output of one step.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conch.clients.model_config import type_name
from conch.contracts.specs import ModelSpec, TensorSpec

NEWEST = -1
"""Steps follow a promotion only without a version of their own."""


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a tensor of the ensemble comes from."""

    who: str
    data_type: str
    dims: tuple[int, ...]
    optional: bool = False


def findings(config: Any, specs: Mapping[str, ModelSpec], batches: Mapping[str, int]) -> list[str]:
    """`specs` and `batches` (max_batch_size) of the models that may be steps."""
    found = list(_frame(config))
    sources = {
        tensor.name: _Source(f"input {tensor.name}", type_name(tensor), tuple(tensor.dims), tensor.optional)
        for tensor in config.input
    }
    read: set[str] = set()
    for step in config.ensemble_scheduling.step:
        if step.model_name not in specs:
            found.append(f"step {step.model_name} is no model of ours")
            continue
        spec = specs[step.model_name]
        if config.max_batch_size > batches[step.model_name]:
            found.append(
                f"max_batch_size is {config.max_batch_size}, step {spec.name} takes {batches[step.model_name]}"
            )
        found.extend(_step_inputs(step, spec, sources))
        found.extend(_step_outputs(step, spec, sources))
        read.update(step.input_map.values())
    found.extend(_outputs(config, sources))
    read.update(tensor.name for tensor in config.output)
    found.extend(f"{source.who} is read by nobody" for name, source in sources.items() if name not in read)
    return found


def _frame(config: Any) -> Iterator[str]:
    if config.platform != "ensemble":
        yield f"the platform is {config.platform or 'not named'}, not ensemble"
    if not config.ensemble_scheduling.step:
        yield "there is no step"
    for tensor in config.input:
        if tensor.allow_ragged_batch:
            yield f"input {tensor.name} has allow_ragged_batch, which Triton takes on models alone"
    if config.response_cache.enable:
        yield "response_cache is on: its key is the inputs, and knows no tenant, no time and no store"
    for step in config.ensemble_scheduling.step:
        if step.model_version != NEWEST:
            yield f"step {step.model_name} is held at version {step.model_version}: no promotion reaches it"


def _step_inputs(step: Any, spec: ModelSpec, sources: Mapping[str, _Source]) -> Iterator[str]:
    known = {tensor.name for tensor in spec.inputs}
    for name in sorted(step.input_map):
        if name not in known:
            yield f"step {spec.name} has no input {name}"
    for tensor in spec.inputs:
        who = f"input {tensor.name} of step {spec.name}"
        if tensor.name not in step.input_map:
            if not tensor.optional:
                yield f"{who} is mapped to nothing"
            continue
        source = sources.get(step.input_map[tensor.name])
        if source is None:
            yield f"{who} reads {step.input_map[tensor.name]}, which nothing above it makes"
            continue
        yield from _edge(source, tensor, who)


def _edge(source: _Source, tensor: TensorSpec, who: str) -> Iterator[str]:
    if source.data_type != tensor.data_type:
        yield f"{who} is {tensor.data_type}, {source.who} gives {source.data_type}"
    if not _fits(source.dims, tensor.dims):
        yield f"{who} takes {list(tensor.dims)}, {source.who} gives {list(source.dims)}"
    if source.optional and not tensor.optional:
        yield f"{who} is needed, {source.who} may be absent"


def _fits(given: tuple[int, ...], taken: tuple[int, ...]) -> bool:
    return len(given) == len(taken) and all(want in (-1, got) for want, got in zip(taken, given, strict=True))


def _step_outputs(step: Any, spec: ModelSpec, sources: dict[str, _Source]) -> Iterator[str]:
    """Adds what the step makes to `sources`."""
    known = {tensor.name: tensor for tensor in spec.outputs}
    for name, tensor_name in sorted(step.output_map.items()):
        who = f"output {name} of step {spec.name}"
        if name not in known:
            yield f"step {spec.name} has no output {name}"
        elif tensor_name in sources:
            yield f"{tensor_name} has two sources: {sources[tensor_name].who} and {who}"
        else:
            sources[tensor_name] = _Source(who, known[name].data_type, known[name].dims)


def _outputs(config: Any, sources: Mapping[str, _Source]) -> Iterator[str]:
    for tensor in config.output:
        source = sources.get(tensor.name)
        if source is None:
            yield f"output {tensor.name} is made by no step"
            continue
        if source.data_type != type_name(tensor):
            yield f"output {tensor.name} is {type_name(tensor)}, {source.who} gives {source.data_type}"
        if source.dims != tuple(tensor.dims):
            yield f"output {tensor.name} has dims {list(tensor.dims)}, {source.who} gives {list(source.dims)}"
