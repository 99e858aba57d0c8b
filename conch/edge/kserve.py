"""KServe v2 and Triton's own calls, sorted by who answers them and who may make them.

What is in none of the lists is an operator's: a call that a later Triton adds is closed until somebody opens it.
"""

SERVICE = "inference.GRPCInferenceService"

HEALTH = ("ServerLive", "ServerReady", "ModelReady")
"""Answered by the gateway from inference probes: what Triton says of its own health may be wrong."""
READING = ("ServerMetadata", "ModelMetadata", "ModelConfig", "ModelStatistics", "RepositoryIndex")
"""Change nothing, so they may be tried again."""
OF_A_MODEL = ("ModelMetadata", "ModelConfig", "ModelStatistics")
"""Those of them that name a model, in their first field as ModelInfer does."""
INFER = "ModelInfer"
STREAM = "ModelStreamInfer"
LOAD = "RepositoryModelLoad"

MODEL_PATH = r"/v2/models/{name}(/versions/[0-9]+)?"
MODEL_READING = "(/(config|stats))?"
MODEL_INFER = "/(infer|generate|generate_stream)"
ANY_MODEL = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
"""A name that needs escaping cannot be called over HTTP: two readers of a path might undo it differently."""


def path_of(method: str) -> str:
    return f"/{SERVICE}/{method}"
