"""What endpoints ask for. `api.routing.Route` has done the work by then: these only hand it over."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from api.call import call_of
from api.state import AppState, State
from redraft.domain.access import Principal, Scope
from redraft.domain.paging import Cursor
from redraft.store.ids import new_id

__all__ = [
    "Admin",
    "AppState",
    "NewId",
    "PageSize",
    "PageToken",
    "Principal",
    "Reader",
    "Scope",
    "State",
    "TenantSession",
    "Writer",
]

GREATEST_PAGE = 100


class Require:
    """Asks for a caller with at least `scope`; the route refuses others with 401 or 403 before anything else."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(self, request: Request) -> Principal:
        """Return the caller."""
        principal = call_of(request.scope).principal
        if principal is None:
            raise RuntimeError("the route did not authenticate: make its router with api.routing.Router")
        return principal


Reader = Annotated[Principal, Depends(Require(Scope.READ))]
Writer = Annotated[Principal, Depends(Require(Scope.WRITE))]
Admin = Annotated[Principal, Depends(Require(Scope.ADMIN))]


async def tenant_session(request: Request) -> AsyncSession:
    """Return the caller's transaction. The route commits it once the answer is written, before it is sent."""
    session = call_of(request.scope).session
    if session is None:
        raise RuntimeError("the route opened no transaction: make its router with api.routing.Router")
    return session


TenantSession = Annotated[AsyncSession, Depends(tenant_session)]


async def _new_id(request: Request) -> UUID:
    return call_of(request.scope).new_id or new_id()


NewId = Annotated[UUID, Depends(_new_id)]
"""The id for a record to make: the same one when a request with an Idempotency-Key runs again."""


async def _page_size(
    page_size: Annotated[int, Query(ge=1, le=GREATEST_PAGE, description="Records per page.")] = GREATEST_PAGE,
) -> int:
    return page_size


async def _page_token(
    page_token: Annotated[str, Query(description="`next_page_token` of the page before; empty for the first.")] = "",
) -> Cursor | None:
    return Cursor.parse(page_token)


PageSize = Annotated[int, Depends(_page_size)]
PageToken = Annotated[Cursor | None, Depends(_page_token)]
