"""Run Schemathesis over an OpenAPI document against a server: what it does that its document does not say."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.failures import FailureGroup

CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)

NOTHING: Mapping[str, str] = MappingProxyType({})


def findings(
    document: dict[str, Any],
    url: str,
    *,
    examples: int,
    skips: Callable[[str], bool] = lambda _: False,
    headers: Mapping[str, str] = NOTHING,
) -> list[str]:
    """Of every operation whose path `skips` does not name; the same requests every time."""
    schema = schemathesis.openapi.from_dict(document)
    found: list[str] = []
    for result in schema.get_all_operations():
        operation = result.ok()
        if not skips(operation.path):
            for mode in _modes(operation):
                found.extend(_of_one(operation, mode, url, examples, headers))
    return found


def _modes(operation: Any) -> list[GenerationMode]:
    """Nothing can be wrong with a call that takes nothing."""
    takes = list(operation.iter_parameters()) or list(operation.body)
    return [GenerationMode.POSITIVE, GenerationMode.NEGATIVE] if takes else [GenerationMode.POSITIVE]


def _of_one(operation: Any, mode: GenerationMode, url: str, examples: int, headers: Mapping[str, str]) -> Iterator[str]:
    checks = CHECKS.get_by_names(list(CHECKED))

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        case.call_and_validate(base_url=url, checks=checks, headers=dict(headers), timeout=60)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            holds()
    except Unsatisfiable:
        return  # nothing that is sent to this operation can be wrong
    except (Exception, FailureGroup) as failure:
        yield f"{operation.label} ({mode.value}): {failure}"
