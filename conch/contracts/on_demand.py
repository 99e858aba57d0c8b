"""How the edge asks the loader for a model that is on demand, before it passes a call: gRPC, and headers alone.

deploy/envoy/on_demand.lua holds the same words. An answer says for how long the edge need not ask again; a refusal
carries retry-after, and one without it is not the loader's.
"""

SERVICE = "conch.rollout.Loader"
METHOD = "Ask"
MODEL_HEADER = "x-conch-model"
"""The model that is called, or an ensemble."""
PROBE_HEADER = "x-conch-probe"
""""true" of a question of health: it loads nothing, and is no use of the model."""
GOOD_HEADER = "x-conch-good-ms"
"""In the answer: milliseconds since the question in which calls of the model need not ask."""
RETRY_HEADER = "retry-after"

_RESTS = "is on demand: a call loads it"


def resting(model: str) -> str:
    """What is said of a model that is not loaded now, and would be for a call."""
    return f"model {model} {_RESTS}"


def says_resting(message: str) -> bool:
    """Whether an error is no fault: nobody has called the model."""
    return message.endswith(_RESTS)
