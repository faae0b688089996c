"""Errors in four dialects: the path decides which one, for every status from 400 to 503."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import Scope
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError

from api.call import call_of
from api.errors import agentvista, cekura, optimizations, otlp, voipbin
from api.errors.status import STATUS
from api.errors.translate import internal, translate
from redraft.domain.errors import Kind, RedraftError

__all__ = ["dialect_of", "install", "render", "render_internal", "response_for"]

Page = Callable[[Scope, RedraftError], Response]
"""What renders an error for people."""
CONSOLE = "/console"
_AGENTVISTA = ("/api/v1/dashboard", "/api/v1/traces", "/api/v1/otlp")


def dialect_of(path: str) -> ModuleType:
    """Return the module that renders errors for a path."""
    if _under(path, "/test_framework"):
        return cekura
    if not _under(path, "/api/v1"):
        return voipbin
    return agentvista if any(_under(path, prefix) for prefix in _AGENTVISTA) else optimizations


def _under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


def render(scope: Scope, error: RedraftError) -> Response:
    """Return the response for a refusal: in the dialect of the request's path, for people as a page."""
    page: Page | None = getattr(scope["app"].state, "error_page", None)
    if page is not None and _under(scope["path"], CONSOLE):
        return page(scope, error)
    if otlp.is_otlp(scope["path"]):
        response = otlp.response(scope, error, STATUS[error.kind])
    else:
        content = dialect_of(scope["path"]).body(error, call_of(scope).request_id)
        response = JSONResponse(content, STATUS[error.kind])
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if error.kind is Kind.UNAUTHENTICATED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.kind is Kind.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(_allowed(scope))
    return response


def response_for(scope: Scope, error: Exception) -> Response | None:
    """Return the response for an exception; None for what should not have happened."""
    refusal = translate(error)
    return None if refusal is None else render(scope, refusal)


def render_internal(scope: Scope) -> Response:
    """Return the response for a fault of ours."""
    return render(scope, internal())


def _allowed(scope: Scope) -> list[str]:
    """Return the methods that some route knows for this path."""
    methods: set[str] = set()
    for route in scope["app"].routes:
        if route.matches(scope)[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return sorted(methods)


async def _handle(request: Request, error: Exception) -> Response:
    response = response_for(request.scope, error)
    if response is None:
        raise error
    return response


def install(app: FastAPI, page: Page | None = None) -> None:
    """Register the handlers. What none of them translates reaches the outermost middleware, which answers 500.

    `page` renders errors below `CONSOLE`.
    """
    app.state.error_page = page
    for kind in (
        RedraftError,
        RequestValidationError,
        HTTPException,
        SQLAlchemyError,
        TemporalError,
        RPCError,
        RuntimeError,
        TimeoutError,
    ):
        app.add_exception_handler(kind, _handle)
