"""Users: the people of a customer. Only administrators see and change them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from api.dependencies import Admin, NewId, PageSize, PageToken, TenantSession
from api.routing import Router
from api.schemas.accounts import UserCreate, UserRecord, UserUpdate
from api.schemas.common import PageOf
from redraft.domain.customers import create_user, get_user, list_users
from redraft.domain.users import UserChange, change_user, remove_user

router = Router(prefix="/v1.0/users", tags=["users"])
_OWN: dict[int | str, dict[str, Any]] = {409: {"description": "It would take away the caller's own access."}}


@router.post("", operation_id="create_user", summary="Create a user")
async def create(body: UserCreate, principal: Admin, session: TenantSession, new_id: NewId) -> UserRecord:
    """Create a user. User names are unique over all customers."""
    user = await create_user(session, principal.customer_id, body.username, body.password, body.role, user_id=new_id)
    return UserRecord.of(user)


@router.get("", operation_id="list_users", summary="List users")
async def list_all(principal: Admin, session: TenantSession, size: PageSize, cursor: PageToken) -> PageOf[UserRecord]:
    """List the users, newest first."""
    page = await list_users(session, cursor, size)
    return PageOf[UserRecord].build(page.items, page.next_token, UserRecord.of)


@router.get("/{user_id}", operation_id="get_user", summary="Read a user")
async def read(user_id: UUID, principal: Admin, session: TenantSession) -> UserRecord:
    """Read a user."""
    return UserRecord.of(await get_user(session, user_id))


@router.put("/{user_id}", operation_id="replace_user", summary="Change a user", responses=_OWN)
@router.patch("/{user_id}", operation_id="update_user", summary="Change a user", responses=_OWN)
async def change(user_id: UUID, body: UserUpdate, principal: Admin, session: TenantSession) -> UserRecord:
    """Change role or password, disable or enable; it holds from the user's next request on."""
    change = UserChange(body.role, body.disabled, body.password)
    return UserRecord.of(await change_user(session, principal, user_id, change))


@router.delete("/{user_id}", operation_id="delete_user", summary="Delete a user", responses=_OWN)
async def delete(user_id: UUID, principal: Admin, session: TenantSession) -> UserRecord:
    """Delete a user; it is refused at once."""
    return UserRecord.of(await remove_user(session, principal, user_id))
