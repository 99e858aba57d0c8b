"""Tells what it has seen: how many requests ran here, this one included, and the parameters of this one.

It takes HOLD_MS over each, one at a time: what is sent meanwhile waits in Triton's queue.
"""

import time

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, _):
        self._ran = 0

    def execute(self, requests):
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        time.sleep(pb_utils.get_input_tensor_by_name(request, "HOLD_MS").as_numpy().item() / 1000)
        self._ran += 1
        return pb_utils.InferenceResponse(
            [
                pb_utils.Tensor("RAN", np.array([[self._ran]], np.int64)),
                pb_utils.Tensor("PARAMETERS", np.array([[request.parameters().encode()]], np.object_)),
            ]
        )
