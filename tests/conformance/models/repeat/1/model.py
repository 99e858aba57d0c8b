"""Answers with the words of a text, one response each; the word FAIL is an error, and no words are no responses."""

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            for word in pb_utils.get_input_tensor_by_name(request, "text_input").as_numpy().item().split():
                sender.send(_response(word))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


def _response(word):
    if word == b"FAIL":
        return pb_utils.InferenceResponse(error=pb_utils.TritonError("asked to fail"))
    return pb_utils.InferenceResponse([pb_utils.Tensor("text_output", np.array([word], np.object_))])
