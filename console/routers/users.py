"""Users: the people of a customer, for its administrators."""

from __future__ import annotations

from uuid import UUID

from starlette.responses import Response

from console.forms import Form, Typed
from console.refusals import refuse
from console.routing import PageRouter
from console.visits import AdminAct, AdminView, Visit, see
from redraft.domain.access import Role
from redraft.domain.customers import create_user, list_users
from redraft.domain.errors import RedraftError, invalid
from redraft.domain.paging import Cursor
from redraft.domain.passwords import LEAST_PASSWORD
from redraft.domain.users import UserChange, change_user

router = PageRouter()
PAGE = 50
ROLES = {
    Role.VIEWER: "viewer: reads everything",
    Role.MANAGER: "manager: also starts and decides",
    Role.ADMIN: "administrator: also manages users, keys and budget",
}


@router.get("/users", summary="Users")
async def list_all(visit: AdminView, after: str = "") -> Response:
    """List the users, newest first."""
    return await users_page(visit, after=after)


async def users_page(visit: Visit, typed: Typed | None = None, *, after: str = "") -> Response:
    """Return the page; `typed` is what could not be done."""
    page = await list_users(visit.session, Cursor.parse(after), PAGE)
    return await visit.page("users.html", typed, page=page, roles=ROLES, least=LEAST_PASSWORD)


@router.post("/users", summary="Create a user")
async def create(act: AdminAct) -> Response:
    """Create a user with a role."""
    form, customer = act.form, act.principal.customer_id
    try:
        role = _role(form)
        async with act.state.db.tenant(customer) as session:
            await create_user(session, customer, form.text("username"), form.text("password"), role or Role.MANAGER)
    except RedraftError as error:
        return await refuse(act, error, "create", users_page)
    return see("/console/users")


@router.post("/users/{user_id}", summary="Change a user")
async def change(user_id: UUID, act: AdminAct) -> Response:
    """Change role or password, disable or enable."""
    form = act.form
    try:
        disabled = {"yes": True, "no": False}.get(form.text("disabled"))
        wanted = UserChange(_role(form), disabled, form.text("password") or None)
        async with act.state.db.tenant(act.principal.customer_id) as session:
            await change_user(session, act.principal, user_id, wanted)
    except RedraftError as error:
        return await refuse(act, error, f"change-{user_id}", users_page)
    return see("/console/users")


def _role(form: Form) -> Role | None:
    given = form.text("role")
    if given and given not in set(Role):
        raise invalid("role", f"choose one of {', '.join(Role)}")
    return Role(given) if given else None
