"""Gives back every tensor as it came."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        return [pb_utils.InferenceResponse([_same(tensor) for tensor in request.inputs()]) for request in requests]


def _same(tensor):
    name = tensor.name().replace("IN", "OUT", 1)
    if tensor.name() == "IN_BF16":  # numpy has no such type
        return pb_utils.Tensor.from_dlpack(name, tensor.to_dlpack())
    return pb_utils.Tensor(name, tensor.as_numpy())
