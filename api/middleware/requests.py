"""The outermost layer: a request id, one log line per request, and an answer when something unforeseen happens."""

from __future__ import annotations

import re
from time import perf_counter
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.call import begin_call
from api.errors import render_internal

_HEADER = b"x-request-id"
_FIT = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_SAFETY_HEADERS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]


class RequestMiddleware:
    """Logs method, path, status, time and customer; never the query, headers or bodies: they may hold secrets."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.log = structlog.get_logger().bind(logger="redraft.api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()
        request_id = _request_id(scope)
        call = begin_call(scope, request_id)
        status = 0
        extra = [(_HEADER, request_id.encode()), *_SAFETY_HEADERS]

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given}
                message["headers"] = given + [header for header in extra if header[0] not in names]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            except Exception:
                self.log.exception("request failed", method=scope["method"], path=scope["path"])
                if status:
                    raise  # the answer has begun: only breaking the connection tells the caller
                await render_internal(scope)(scope, receive, send_with_id)
            finally:
                principal = call.principal
                self.log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    ms=round((perf_counter() - began) * 1000, 1),
                    customer_id=str(principal.customer_id) if principal is not None else None,
                )


def _request_id(scope: Scope) -> str:
    """Return the caller's request id when it is fit for a log line, else a new one."""
    for name, value in scope["headers"]:
        if name == _HEADER and _FIT.fullmatch(value):
            return str(value, "ascii")
    return str(uuid4())
