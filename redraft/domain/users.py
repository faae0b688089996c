"""What administrators do with the people of their customer."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.access import Principal, Role
from redraft.domain.customers import delete_user, get_user, set_disabled, set_password, set_role
from redraft.domain.errors import conflict
from redraft.store.tables import User


@dataclass(frozen=True, slots=True)
class UserChange:
    """What to change of a user; None stays. Another password ends the user's login tokens."""

    role: Role | None = None
    disabled: bool | None = None
    password: str | None = None


async def change_user(session: AsyncSession, principal: Principal, user_id: UUID, change: UserChange) -> User:
    """Change a user; it holds from the user's next request on. Raises NOT_FOUND, INVALID and OWN_USER."""
    user = await get_user(session, user_id)
    if change.disabled or (change.role is not None and change.role.value != user.role):
        refuse_own(principal, user_id)
    if change.role is not None:
        set_role(session, user, change.role)
    if change.disabled is not None:
        set_disabled(session, user, change.disabled)
    if change.password is not None:
        await set_password(session, user, change.password)
    return user


async def remove_user(session: AsyncSession, principal: Principal, user_id: UUID) -> User:
    """Delete a user softly; it is refused at once. Raises NOT_FOUND and OWN_USER."""
    refuse_own(principal, user_id)
    return await delete_user(session, user_id)


def refuse_own(principal: Principal, user_id: UUID) -> None:
    """Nobody locks themselves out by mistake. Raises OWN_USER."""
    if principal.user_id == user_id:
        raise conflict("OWN_USER", "you cannot take away your own access; another administrator can")
