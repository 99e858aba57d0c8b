"""Where the published protocol says what a test checks."""

from enum import StrEnum

import pytest

OIP = "https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol"
TRITON = "https://github.com/triton-inference-server/server/blob/main/docs/protocol"


class Section(StrEnum):
    """A heading of the Open Inference Protocol (KServe v2) or of one of Triton's extensions to it."""

    REST_HEALTH = f"{OIP}/inference_rest.md#healthreadinessliveness-probes"
    REST_PATHS = f"{OIP}/inference_rest.md#httprest"
    REST_SERVER_METADATA = f"{OIP}/inference_rest.md#server-metadata"
    REST_MODEL_METADATA = f"{OIP}/inference_rest.md#model-metadata"
    REST_INFERENCE = f"{OIP}/inference_rest.md#inference"
    REST_REQUEST = f"{OIP}/inference_rest.md#inference-request-json-object"
    REST_INPUT = f"{OIP}/inference_rest.md#request-input"
    REST_OUTPUT = f"{OIP}/inference_rest.md#request-output"
    REST_RESPONSE = f"{OIP}/inference_rest.md#inference-response-json-object"
    REST_ERROR = f"{OIP}/inference_rest.md#inference-response-json-error-object"
    REST_PARAMETERS = f"{OIP}/inference_rest.md#parameters"
    REST_TENSOR_DATA = f"{OIP}/inference_rest.md#tensor-data"
    REST_DATA_TYPES = f"{OIP}/inference_rest.md#tensor-data-types"
    GRPC_HEALTH = f"{OIP}/inference_grpc.md#health"
    GRPC_SERVER_METADATA = f"{OIP}/inference_grpc.md#server-metadata"
    GRPC_MODEL_METADATA = f"{OIP}/inference_grpc.md#model-metadata"
    GRPC_INFERENCE = f"{OIP}/inference_grpc.md#inference"
    GRPC_PARAMETERS = f"{OIP}/inference_grpc.md#parameters"
    GRPC_TENSOR_DATA = f"{OIP}/inference_grpc.md#tensor-data"
    GRPC_DATA_TYPES = f"{OIP}/inference_grpc.md#tensor-data-types"
    BINARY_DATA = f"{TRITON}/extension_binary_data.md"
    CLASSIFICATION = f"{TRITON}/extension_classification.md"
    GENERATE = f"{TRITON}/extension_generate.md"
    LOGGING = f"{TRITON}/extension_logging.md"
    MODEL_CONFIGURATION = f"{TRITON}/extension_model_configuration.md"
    MODEL_REPOSITORY = f"{TRITON}/extension_model_repository.md"
    PARAMETERS = f"{TRITON}/extension_parameters.md"
    SCHEDULE_POLICY = f"{TRITON}/extension_schedule_policy.md"
    SHARED_MEMORY = f"{TRITON}/extension_shared_memory.md"
    STATISTICS = f"{TRITON}/extension_statistics.md"
    TRACE = f"{TRITON}/extension_trace.md"
    STREAMING = "https://github.com/triton-inference-server/server/blob/main/docs/user_guide/decoupled_models.md"
    COMPRESSION = "https://github.com/triton-inference-server/server/blob/main/docs/user_guide/compression.md"


def cites(*sections: Section) -> pytest.MarkDecorator:
    """A test without it is refused."""
    return pytest.mark.cites(*sections)
