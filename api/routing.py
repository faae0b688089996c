"""The route class of this API: who asks is settled before the body is read, and a transaction ends before the answer.

FastAPI decodes the body before it solves dependencies, and a dependency cannot see the answer. Both matter here:
a caller without permission learns nothing about what it sent, and what an Idempotency-Key stores belongs into the
same transaction as the work. So a route finds in its dependencies what is asked for, and does it itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from api.bodies import greatest_body, read_body
from api.call import Call, call_of
from api.credentials import credential_of, refuse_cross_site
from api.dependencies import Require, tenant_session
from api.idempotency import Keep, may_repeat, run_once
from api.state import AppState, state_of
from redraft.domain.access import Principal, Scope
from redraft.domain.entering import unauthenticated
from redraft.domain.errors import Kind, RedraftError, invalid
from redraft.domain.strict_json import parse_json

Handler = Callable[[Request], Awaitable[Response]]
# What asks others beside the database has limits of its own; this one is for whatever they forget.
_PATIENCE_S = 90.0
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})


class StrictRequest(Request):
    """A request whose JSON is checked strictly."""

    async def json(self) -> Any:
        """Return the decoded body. Raises INVALID."""
        return parse_json(await self.body())


def slash_or_none(route: StarletteRoute) -> None:
    """Let a route be met with and without a trailing slash, without a redirect."""
    route.path_regex = re.compile(route.path_regex.pattern.removesuffix("$").rstrip("/") + "/?$")


class Route(APIRoute):
    """A route that authenticates, opens the transaction its endpoint asks for, and commits it before answering."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        slash_or_none(self)

    @property
    def access(self) -> Scope | None:
        """The scope that this route asks for, None for a public route."""
        scopes = [call.scope for call in _calls(self.dependant) if isinstance(call, Require)]
        return max(scopes, key=list(Scope).index, default=None)

    @property
    def repeatable(self) -> bool:
        """Whether an Idempotency-Key means something here."""
        return self.methods == {"POST"} and may_repeat(self.endpoint)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler within ours."""
        endpoint = super().get_route_handler()
        access, transaction = self.access, tenant_session in _calls(self.dependant)
        methods = self.methods or set()
        with_body = bool(methods & BODY_METHODS)
        repeatable = self.repeatable

        async def run(request: Request, keep: Keep | None) -> Response:
            if transaction:
                return await _run_in_transaction(request, endpoint, keep)
            async with asyncio.timeout(_PATIENCE_S):
                return await endpoint(request)

        async def handle(request: Request) -> Response:
            request = StrictRequest(request.scope, request.receive, request._send)
            _refuse_nul(request)
            if access is None:
                if with_body:
                    await _buffer_body(request)
                return await endpoint(request)
            if not with_body and transaction:
                return await _enter_and_run(request, access, endpoint)
            principal = await _authenticate(request, access)
            if with_body:
                await _buffer_body(request)
            if repeatable:
                return await run_once(request, principal.customer_id, run)
            return await run(request, None)

        return handle


class Router(APIRouter):
    """A router of such routes. Every router module exposes one as `router`."""

    def __init__(self, *, prefix: str = "", tags: list[str] | None = None, **options: Any) -> None:
        options.setdefault("generate_unique_id_function", _operation_id)
        super().__init__(prefix=prefix, tags=list(tags or []), route_class=Route, **options)


def _operation_id(route: APIRoute) -> str:
    """Return the operation id of a route: its endpoint's name, which is stable and reads well in a client."""
    return route.name


def _calls(dependant: Dependant) -> list[Any]:
    def walk(node: Dependant) -> Iterator[Any]:
        for dependency in node.dependencies:
            yield dependency.call
            yield from walk(dependency)

    return list(walk(dependant))


def _refuse_nul(request: Request) -> None:
    for place, there in (("path", "\x00" in request.scope["path"]), ("query", b"%00" in request.scope["query_string"])):
        if there:
            raise invalid(place, "must not contain NUL characters")


async def _buffer_body(request: StrictRequest) -> None:
    limit = greatest_body(request.scope["path"], state_of(request.app).settings)
    request._body = await read_body(request, limit)


def _credential(request: Request, state: AppState) -> str:
    credential = credential_of(request)
    if credential is None:
        raise unauthenticated("no credential given; send an access key or a login token, for example as Bearer token")
    if credential.from_cookie:
        refuse_cross_site(request, state.settings.public_url)
    return credential.secret


def _admit(call: Call, principal: Principal, access: Scope) -> None:
    call.principal = principal
    if not principal.scope.includes(access):
        raise RedraftError(
            Kind.FORBIDDEN,
            "PERMISSION_DENIED",
            f"this needs the scope {access}; the credential has {principal.scope}",
        )


async def _authenticate(request: Request, access: Scope) -> Principal:
    state, call = state_of(request.app), call_of(request.scope)
    async with state.gate.enter(_credential(request, state)) as (principal, _):
        _admit(call, principal, access)
    subject = str(principal.customer_id)
    if not state.requests.take(subject):
        await state.requests.lease(subject)
    return principal


async def _enter_and_run(request: Request, access: Scope, endpoint: Handler) -> Response:
    """Authenticate and answer in one transaction: for requests without a body, which nothing can hold up."""
    state, call = state_of(request.app), call_of(request.scope)
    async with state.gate.enter(_credential(request, state)) as (principal, session):
        _admit(call, principal, access)
        if state.requests.take(str(principal.customer_id)):
            call.session = session
            return await endpoint(request)
    await state.requests.lease(str(principal.customer_id))
    return await _run_in_transaction(request, endpoint, None)


async def _run_in_transaction(request: Request, endpoint: Handler, keep: Keep | None) -> Response:
    call = call_of(request.scope)
    if call.principal is None:
        raise RuntimeError("a transaction belongs to a customer: authenticate first")
    async with state_of(request.app).db.tenant(call.principal.customer_id) as session:
        call.session = session
        response = await endpoint(request)
        if keep is not None:
            await keep(session, response)
        return response
