"""Write BERT-Tiny as an ONNX graph: what bert.py computes, on 8-bit word vectors and 16-bit weights.

input_ids INT64 (batch, tokens), 0 after each end   →   logits FP32 (batch, classes)
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from training.bert import LAYER_NORM_EPSILON, MASKED, Parameters, Shape
from training.vocabulary import Vocabulary

OPSET = 17
"""The first with LayerNormalization; ONNX Runtime 1.13 and TensorRT 8.6 read it."""

IR_VERSION = 8


def stored(parameters: Parameters) -> dict[str, npt.NDArray[np.float32]]:
    """The parameters as the file holds them: rounded to 16 bits."""
    return {name: np.asarray(value, np.float16).astype(np.float32) for name, value in parameters.items()}


def save(path: Path, parameters: Parameters, shape: Shape, vocabulary: Vocabulary) -> None:
    graph = _Graph()
    for name, value in parameters.items():
        graph.constant16(name, np.asarray(value))
    graph.constant("words.quantized", vocabulary.quantized)
    graph.constant("words.scale", vocabulary.scales)
    result = _classify(graph, shape)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "intent",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, ["batch", shape.classes])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="conch",
    )
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _classify(graph: "_Graph", shape: Shape) -> str:
    hidden = _embed(graph)
    mask = graph.add("Cast", [graph.add("Not", [graph.add("Equal", ["input_ids", graph.integers("zero", [0])])])], to=1)
    # 0 where there is a token and MASKED where there is none.
    lost = graph.add("Mul", [graph.add("Sub", [mask, graph.number("one", 1.0)]), graph.number("masked", -MASKED)])
    bias = graph.add("Unsqueeze", [lost, graph.integers("axes12", [1, 2])])  # (batch, 1, 1, tokens)
    for layer in range(shape.layers):
        attended = _attend(graph, shape, f"layer{layer}", hidden, bias)
        hidden = graph.norm(f"layer{layer}.attention_norm", graph.add("Add", [hidden, attended]))
        up = _gelu(graph, graph.dense(f"layer{layer}.up", hidden))
        down = graph.dense(f"layer{layer}.down", up)
        hidden = graph.norm(f"layer{layer}.output_norm", graph.add("Add", [hidden, down]))
    both = graph.add("Concat", [_first(graph, hidden), _mean(graph, hidden, mask)], axis=1)
    pooled = graph.add("Tanh", [graph.dense("pooler", both)])
    return graph.dense("classifier", pooled, output="logits")


def _embed(graph: "_Graph") -> str:
    quantized = graph.add("Cast", [graph.add("Gather", ["words.quantized", "input_ids"], axis=0)], to=TensorProto.FLOAT)
    words = graph.add("Mul", [quantized, graph.add("Gather", ["words.scale", "input_ids"], axis=0)])
    tokens = graph.add("Gather", [graph.add("Shape", ["input_ids"]), graph.integers("index1", [1])], axis=0)
    positions = graph.add("Slice", ["positions", graph.integers("start", [0]), tokens, graph.integers("axis0", [0])])
    return graph.norm("embedding_norm", graph.add("Add", [words, positions]))


def _attend(graph: "_Graph", shape: Shape, layer: str, hidden: str, bias: str) -> str:
    split = graph.integers("split", [0, 0, shape.heads, shape.head])

    def heads(part: str, order: list[int]) -> str:
        return graph.add(
            "Transpose", [graph.add("Reshape", [graph.dense(f"{layer}.{part}", hidden), split])], perm=order
        )

    query, key, value = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
    scores = graph.add("Div", [graph.add("MatMul", [query, key]), graph.number("root", math.sqrt(shape.head))])
    weights = graph.add("Softmax", [graph.add("Add", [scores, bias])], axis=-1)
    mixed = graph.add("Transpose", [graph.add("MatMul", [weights, value])], perm=[0, 2, 1, 3])
    joined = graph.add("Reshape", [mixed, graph.integers("join", [0, 0, shape.width])])
    return graph.dense(f"{layer}.attended", joined)


def _gelu(graph: "_Graph", values: str) -> str:
    erf = graph.add("Erf", [graph.add("Div", [values, graph.number("root2", math.sqrt(2))])])
    half = graph.add("Mul", [values, graph.number("half", 0.5)])
    return graph.add("Mul", [half, graph.add("Add", [erf, graph.number("one", 1.0)])])


def _first(graph: "_Graph", hidden: str) -> str:
    return graph.add("Gather", [hidden, graph.integer("first", 0)], axis=1)


def _mean(graph: "_Graph", hidden: str, mask: str) -> str:
    weights = graph.add("Unsqueeze", [mask, graph.integers("axis2", [2])])
    total = graph.add("ReduceSum", [graph.add("Mul", [hidden, weights]), graph.integers("axis1", [1])], keepdims=0)
    return graph.add("Div", [total, graph.add("ReduceSum", [mask, graph.integers("axis1", [1])], keepdims=1)])


class _Graph:
    """Nodes and constants in the order they are needed; each result is named after its node."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    @property
    def constants(self) -> list[Any]:
        return list(self._constants.values())

    def add(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self._constants.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def constant16(self, name: str, value: npt.NDArray[Any]) -> None:
        """Stored in 16 bits and widened on loading, where it is a constant again."""
        self.constant(f"{name}.stored", value.astype(np.float16))
        self.add("Cast", [f"{name}.stored"], output=name, to=TensorProto.FLOAT)

    def integers(self, name: str, values: list[int]) -> str:
        return self.constant(name, np.array(values, np.int64))

    def integer(self, name: str, value: int) -> str:
        return self.constant(name, np.array(value, np.int64))

    def number(self, name: str, value: float) -> str:
        return self.constant(name, np.array(value, np.float32))

    def dense(self, name: str, values: str, output: str | None = None) -> str:
        return self.add("Add", [self.add("MatMul", [values, f"{name}.weight"]), f"{name}.bias"], output=output)

    def norm(self, name: str, values: str) -> str:
        return self.add(
            "LayerNormalization", [values, f"{name}.scale", f"{name}.shift"], axis=-1, epsilon=LAYER_NORM_EPSILON
        )
