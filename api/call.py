"""What is known about the request at hand, beside HTTP itself."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.types import Scope as AsgiScope

from redraft.domain.access import Principal

_KEY = "redraft.call"


@dataclass(slots=True)
class Call:
    """One request: its id, who asks, the open transaction of a route that uses one, the id for a new record."""

    request_id: str
    principal: Principal | None = None
    session: AsyncSession | None = None
    new_id: UUID | None = None


def call_of(scope: AsgiScope) -> Call:
    """Return the call of a request; the outermost middleware put it there."""
    call: Call = scope[_KEY]
    return call


def begin_call(scope: AsgiScope, request_id: str) -> Call:
    """Put a new call into a request's scope."""
    call = Call(request_id)
    scope[_KEY] = call
    return call
