"""Access keys: how programs sign in. A secret is shown once, in the answer that made it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from starlette.responses import Response

from console.forms import Form, Typed
from console.refusals import refuse
from console.routing import PageRouter
from console.visits import AdminAct, View, Visit, see
from redraft.domain.access import Scope
from redraft.domain.customers import create_key, delete_key, list_keys
from redraft.domain.errors import RedraftError, invalid
from redraft.domain.paging import Cursor
from redraft.store.tables.base import now

router = PageRouter()
PAGE = 50
LIVES = {"": "Never", "7": "In 7 days", "30": "In 30 days", "90": "In 90 days", "365": "In a year"}
_GREATEST_NAME = 255


@router.get("/keys", summary="Access keys")
async def list_all(visit: View, after: str = "") -> Response:
    """List the access keys, without their secrets."""
    return await _page(visit, after=after)


async def _page(
    visit: Visit, typed: Typed | None = None, *, after: str = "", secret: str = "", made: str = ""
) -> Response:
    page = await list_keys(visit.session, Cursor.parse(after), PAGE)
    return await visit.page(
        "keys.html", typed, page=page, secret=secret, made=made, scopes=list(Scope), lives=LIVES, now=now()
    )


@router.post("/keys", summary="Create an access key")
async def create(act: AdminAct) -> Response:
    """Create an access key and show its secret, this once."""
    try:
        name, scope, expires_at = _wanted(act.form)
    except RedraftError as error:
        return await refuse(act, error, "create", _page)
    async with act.look() as visit:
        made = await create_key(visit.session, act.principal.customer_id, name, scope, expires_at=expires_at)
        return await _page(visit, secret=made.secret, made=name)


def _wanted(form: Form) -> tuple[str, Scope, datetime | None]:
    name = form.text("name").strip()
    if not name or len(name) > _GREATEST_NAME or not name.isprintable():
        raise invalid("name", f"give 1 to {_GREATEST_NAME} printable characters, such as what the key is for")
    if form.text("scope") not in set(Scope) or form.text("expires") not in LIVES:
        raise invalid("scope", "choose read, write or admin, and one of the times offered")
    days = form.text("expires")
    return name, Scope(form.text("scope")), now() + timedelta(days=int(days)) if days else None


@router.post("/keys/{key_id}/revoke", summary="Revoke an access key")
async def revoke(key_id: UUID, act: AdminAct) -> Response:
    """Delete an access key; it is refused at once."""
    async with act.state.db.tenant(act.principal.customer_id) as session:
        await delete_key(session, key_id)
    return see("/console/keys")
