"""The HTTP side, one router a file: each public module here has `router(studio) -> APIRouter`, found by `plugins`.

Knows how a `StudioError` looks on the wire, and no route by name.
"""

from collections.abc import Mapping
from math import ceil

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from m3studio.errors import OutOfMemory, StudioError, TooManyTries


def install_error_handler(app: FastAPI) -> None:
    """Every error becomes `{"error": {"message", "type", "details"?, "alternatives"?}}` with its status."""
    app.add_exception_handler(StudioError, _studio_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)


def error_answer(error: StudioError, status: int | None = None) -> JSONResponse:
    """The error as JSON; a throttled one says in `Retry-After` for how many seconds."""
    body: dict[str, object] = {"message": error.message, "type": type(error).__name__}
    if error.details:
        body["details"] = error.details
    if isinstance(error, OutOfMemory) and error.alternatives:
        body["alternatives"] = error.alternatives
    return _answer(status or error.status, body, retry_after(error))


def retry_after(error: StudioError) -> dict[str, str]:
    """The header that tells a throttled client when to come back."""
    return {"retry-after": str(max(1, ceil(error.retry_after)))} if isinstance(error, TooManyTries) else {}


async def _studio_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StudioError)
    return error_answer(error)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    return _answer(400, {"message": f"In the request, {place} is wrong: {first['msg']}.", "type": "BadInput"})


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _answer(error.status_code, {"message": f"{error.detail}.", "type": "NotFound"}, error.headers)


def _answer(status: int, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": body}, status, headers=dict(headers or {}))
