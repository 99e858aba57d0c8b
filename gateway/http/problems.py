"""Our errors as HTTP says them: RFC 9457 problem details, the one table of this face.

The same refusals as on gRPC: the class decides status and title, the message is the same text.
"""

from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from conch.contracts.errors import (
    Cancelled,
    ConchError,
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    TooMuch,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"

CLIENT_CLOSED_REQUEST = 499
"""No standard code says that the caller left; this is the one that proxies log."""

STATUSES: dict[type[ConchError], int] = {
    InvalidRequest: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    PermissionDenied: HTTPStatus.FORBIDDEN,
    TooMuch: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Cancelled: CLIENT_CLOSED_REQUEST,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    Internal: HTTPStatus.INTERNAL_SERVER_ERROR,
}

TITLES: dict[type[ConchError], str] = {
    InvalidRequest: "The request is invalid",
    NotFound: "There is no such thing",
    Unauthenticated: "Say who you are",
    PermissionDenied: "You may not do this",
    TooMuch: "That is too much",
    Cancelled: "The caller went away",
    Unavailable: "A server we need is away",
    DeadlineExceeded: "Time ran out",
    Internal: "Internal error",
}


def problem(error: ConchError, request_id: str) -> JSONResponse:
    kind = next((kind for kind in type(error).__mro__ if kind in STATUSES), Internal)
    status = int(STATUSES[kind])
    headers: dict[str, str] = {}
    if isinstance(error, TooMuch) and error.retry_after_s is not None:
        status = HTTPStatus.TOO_MANY_REQUESTS
        # RFC 9110 knows whole seconds only.
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    return _response(status, kind.__name__, TITLES[kind], error.message, request_id, headers)


def http_problem(error: HTTPException, request_id: str) -> JSONResponse:
    """What routing refuses: an unknown path, a method that a path does not have."""
    title = HTTPStatus(error.status_code).phrase
    return _response(error.status_code, "about:blank", title, error.detail, request_id, dict(error.headers or {}))


def _response(
    status: int, kind: str, title: str, detail: str, request_id: str, headers: dict[str, str]
) -> JSONResponse:
    content: dict[str, Any] = {
        "type": kind if kind == "about:blank" else f"urn:conch:problem:{kind}",
        "title": title,
        "status": int(status),
        "detail": detail,
        "instance": request_id,
    }
    return JSONResponse(content, status_code=int(status), headers=headers, media_type=MEDIA_TYPE)
