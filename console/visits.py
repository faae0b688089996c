"""What every page is given: who looks, and the open transaction; what every posted form is given: who acts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse

from api.credentials import credential_of
from api.dependencies import Admin, AppState, Principal, Reader, Scope, State, TenantSession, Writer
from console import pages
from console.forms import TOKEN, Form, Typed, read_form
from console.sessions import check_form_token, form_token
from redraft.domain.customers import get_customer


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody looks at a page."""

    request: Request
    state: AppState
    principal: Principal
    session: AsyncSession

    @property
    def may_write(self) -> bool:
        """Whether this person may decide."""
        return self.principal.scope.includes(Scope.WRITE)

    @property
    def may_administer(self) -> bool:
        """Whether this person may manage access keys, users and the budget."""
        return self.principal.scope.includes(Scope.ADMIN)

    async def page(self, template: str, typed: Typed | None = None, **context: Any) -> HTMLResponse:
        """Return a page within the layout; `typed` is a form that could not be done."""
        customer = await get_customer(self.session, self.principal.customer_id)
        typed = typed or Typed()
        return pages.html(
            template,
            typed.status,
            visit=self,
            typed=typed,
            customer=customer.name,
            csrf=await form_token_of(self.request, self.state),
            path=self.request.scope["path"],
            temporal=temporal_links(self.state),
            temporal_schedules=temporal_links(self.state, "schedules"),
            **context,
        )


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody sent a form."""

    request: Request
    state: AppState
    principal: Principal
    form: Form

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Visit]:
        """A transaction to show a page in."""
        async with self.state.db.tenant(self.principal.customer_id) as session:
            yield Visit(self.request, self.state, self.principal, session)


async def form_token_of(request: Request, state: AppState) -> str:
    """Return the token for forms shown to whoever asks."""
    credential = credential_of(request)
    return form_token(await state.gate.signing_key(), credential.secret if credential else "")


def temporal_links(state: AppState, kind: str = "workflows") -> str:
    """Return the address in the Temporal Web UI that a workflow's, or a schedule's, id is appended to."""
    namespace = state.temporal.client.namespace
    return f"{state.settings.public_temporal_ui.rstrip('/')}/namespaces/{namespace}/{kind}/"


def see(address: str) -> RedirectResponse:
    """Return the answer that sends the browser to a page after a form."""
    return RedirectResponse(address, 303, headers=pages.HEADERS)


async def _view(request: Request, state: State, principal: Reader, session: TenantSession) -> Visit:
    return Visit(request, state, principal, session)


async def _write_view(request: Request, state: State, principal: Writer, session: TenantSession) -> Visit:
    return Visit(request, state, principal, session)


async def _admin_view(request: Request, state: State, principal: Admin, session: TenantSession) -> Visit:
    return Visit(request, state, principal, session)


async def _act(request: Request, state: AppState, principal: Principal) -> Act:
    form = await read_form(request)
    credential = credential_of(request)
    check_form_token(await state.gate.signing_key(), credential.secret if credential else "", form.text(TOKEN))
    return Act(request, state, principal, form)


async def _any_act(request: Request, state: State, principal: Reader) -> Act:
    return await _act(request, state, principal)


async def _write_act(request: Request, state: State, principal: Writer) -> Act:
    return await _act(request, state, principal)


async def _admin_act(request: Request, state: State, principal: Admin) -> Act:
    return await _act(request, state, principal)


View = Annotated[Visit, Depends(_view)]
WriterView = Annotated[Visit, Depends(_write_view)]
AdminView = Annotated[Visit, Depends(_admin_view)]
ReaderAct = Annotated[Act, Depends(_any_act)]
WriterAct = Annotated[Act, Depends(_write_act)]
AdminAct = Annotated[Act, Depends(_admin_act)]
