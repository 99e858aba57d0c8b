"""Our errors as HTTP says them: the rows of contracts/refusals.py, in the shape of the family that was called.

/v1…   OpenAI's error object
/v2…   KServe's {"error": …}
else   RFC 9457 problem details
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from conch.contracts.errors import ConchError, TooMuch
from conch.contracts.refusals import TABLE, TOO_MUCH_FOR_NOW, kind_of, refusal_of
from gateway.http.shapes import ProblemShape

PROBLEM = "application/problem+json"

PROBLEMS: dict[int | str, dict[str, Any]] = {
    row.http: {"description": row.title, "content": {PROBLEM: {"schema": ProblemShape.model_json_schema()}}}
    for row in (*TABLE.values(), TOO_MUCH_FOR_NOW)
}
"""What the description of the API says of them."""


class Unfinished(TooMuch):
    """A limit was reached in the midst of a call whose answer is sent whole; `done` is what there is of it."""

    def __init__(self, error: TooMuch, done: Mapping[str, Any]) -> None:
        super().__init__(error.message, error.retry_after_s)
        self.done = done


def refused(error: ConchError, path: str, request_id: str) -> JSONResponse:
    """`path` is the one that was called."""
    refusal = refusal_of(error)
    headers: dict[str, str] = {}
    if isinstance(error, TooMuch) and error.retry_after_s is not None:
        # RFC 9110 knows whole seconds only.
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    if _is_under(path, "/v1"):
        return JSONResponse(openai_error(error), status_code=refusal.http, headers=headers)
    if _is_under(path, "/v2"):
        return _kserve(refusal.http, error.message, headers)
    kind = f"urn:conch:problem:{kind_of(error).__name__}"
    done = error.done if isinstance(error, Unfinished) else None
    return _problem(refusal.http, kind, refusal.title, error.message, request_id, headers, done)


def not_routed(error: HTTPException, method: str, path: str, request_id: str) -> JSONResponse:
    """An unknown path, a method that a path does not have."""
    status, headers = error.status_code, dict(error.headers or {})
    title = HTTPStatus(status).phrase
    message = f"{title}: {method} is not a method of this path" if status == 405 else f"{title}: no such path is here"
    if _is_under(path, "/v1"):
        content = _openai("invalid_request_error", message, title.lower().replace(" ", "_"))
        return JSONResponse(content, status_code=status, headers=headers)
    if _is_under(path, "/v2"):
        return _kserve(status, message, headers)
    return _problem(status, "about:blank", title, message, request_id, headers)


def openai_error(error: ConchError) -> dict[str, Any]:
    refusal = refusal_of(error)
    return _openai(refusal.openai_type, error.message, error.code or refusal.openai_code, error.field)


def _openai(kind: str, message: str, code: str, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _kserve(status: int, message: str, headers: Mapping[str, str]) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=status, headers=headers)


def _problem(
    status: int,
    kind: str,
    title: str,
    detail: str,
    request_id: str,
    headers: Mapping[str, str],
    done: Mapping[str, Any] | None = None,
) -> JSONResponse:
    content: dict[str, Any] = {
        "type": kind,
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request_id,
        **({} if done is None else {"done": done}),
    }
    return JSONResponse(content, status_code=status, headers=headers, media_type=PROBLEM)


def _is_under(path: str, family: str) -> bool:
    return path == family or path.startswith(f"{family}/")
