"""Customers, their users and their access keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.access import Role, Scope, key_digest, key_prefix, new_key_secret
from redraft.domain.errors import Kind, RedraftError, invalid, not_found
from redraft.domain.paging import Cursor, Page, newest_first
from redraft.domain.passwords import hash_password
from redraft.store.ids import new_id
from redraft.store.tables import AccessKey, Customer, User
from redraft.store.tables.base import now

GREATEST_NAME = 255
GREATEST_USERNAME = 255


@dataclass(frozen=True, slots=True)
class NewKey:
    """An access key just made. `secret` is shown once and stored nowhere."""

    key: AccessKey
    secret: str


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A customer just made, with its first user and key."""

    customer: Customer
    user: User
    key: NewKey


async def create_customer(session: AsyncSession, name: str, username: str, password: str) -> NewCustomer:
    """Make a customer with an administrator and an access key for everything; needs `Database.system`.

    Raises ALREADY_EXISTS when the user name is taken.
    """
    if not name.strip():
        raise invalid("name", "must not be blank")
    if len(name) > GREATEST_NAME:
        raise invalid("name", f"give at most {GREATEST_NAME} characters")
    customer = Customer(name=name.strip())
    session.add(customer)
    await session.flush()
    user = await create_user(session, customer.id, username, password, Role.ADMIN)
    return NewCustomer(customer, user, await create_key(session, customer.id, "first key", Scope.ADMIN))


async def get_customer(session: AsyncSession, customer_id: UUID) -> Customer:
    """Return a customer. Raises NOT_FOUND."""
    customer = await session.get(Customer, customer_id)
    if customer is None:
        raise not_found("customer")
    return customer


async def update_customer(session: AsyncSession, customer_id: UUID, values: dict[str, Any]) -> Customer:
    """Set name, monthly_budget_usd, max_in_progress or trace_days; None goes back to the installation's default."""
    customer = await get_customer(session, customer_id)
    for name, value in values.items():
        setattr(customer, name, value)
    session.add(customer)
    await session.flush()
    return customer


async def create_user(
    session: AsyncSession,
    customer_id: UUID,
    username: str,
    password: str,
    role: Role = Role.MANAGER,
    *,
    user_id: UUID | None = None,
) -> User:
    """Make a user. Raises ALREADY_EXISTS when the name is taken, by whichever customer."""
    name = username.strip()
    if not 1 <= len(name) <= GREATEST_USERNAME or not name.isprintable():
        raise invalid("username", f"give 1 to {GREATEST_USERNAME} characters, printable ones only")
    user = User(
        id=user_id or new_id(),
        customer_id=customer_id,
        username=name,
        password_hash=await hash_password(password),
        role=role.value,
    )
    session.add(user)
    try:
        await session.flush()
    except IntegrityError as error:
        if "uq_users_username" not in str(error.orig):
            raise
        raise RedraftError(
            Kind.ALREADY_EXISTS,
            "USERNAME_TAKEN",
            "username: this name is taken; choose another",
            details={"field": "username"},
        ) from error
    return user


async def get_user(session: AsyncSession, user_id: UUID) -> User:
    """Return a user. Raises NOT_FOUND."""
    user = await session.get(User, user_id)
    if user is None or user.deleted_at is not None:
        raise not_found("user")
    return user


async def find_user(session: AsyncSession, username: str) -> User:
    """Return the user of this name. Raises NOT_FOUND."""
    statement = select(User).where(User.username == username, col(User.deleted_at).is_(None))
    user = (await session.exec(statement)).one_or_none()
    if user is None:
        raise not_found(f"user {username!r}")
    return user


async def list_users(session: AsyncSession, cursor: Cursor | None, size: int) -> Page[User]:
    """Return users, newest first."""
    rows = await session.exec(newest_first(select(User).where(col(User.deleted_at).is_(None)), User, cursor, size))
    return Page.of(list(rows), size, lambda row: row)


async def set_password(session: AsyncSession, user: User, password: str) -> None:
    """Change a password; every login token of the user ends with it."""
    user.password_hash = await hash_password(password)
    session.add(user)


def set_role(session: AsyncSession, user: User, role: Role) -> None:
    """Change what a user may do, from the next request on."""
    user.role = role.value
    session.add(user)


def set_disabled(session: AsyncSession, user: User, disabled: bool) -> None:
    """Refuse a user, and the tokens it holds, from now on; or let it in again."""
    if disabled != (user.disabled_at is not None):
        user.disabled_at = now() if disabled else None
        session.add(user)


async def disable_user(session: AsyncSession, user: User) -> None:
    """Refuse a user from now on; tokens they hold are refused at once."""
    set_disabled(session, user, True)


async def delete_user(session: AsyncSession, user_id: UUID) -> User:
    """Delete a user softly; it is refused at once and its name stays taken. Raises NOT_FOUND."""
    user = await get_user(session, user_id)
    user.deleted_at = now()
    session.add(user)
    return user


async def create_key(
    session: AsyncSession,
    customer_id: UUID,
    name: str,
    scope: Scope,
    *,
    detail: str = "",
    expires_at: datetime | None = None,
) -> NewKey:
    """Make an access key and return it with its secret, which nobody can read again."""
    secret = new_key_secret()
    key = AccessKey(
        customer_id=customer_id,
        name=name,
        detail=detail,
        prefix=key_prefix(secret),
        secret_sha256=key_digest(secret),
        scope=scope.value,
        expires_at=expires_at,
    )
    session.add(key)
    await session.flush()
    return NewKey(key, secret)


async def get_key(session: AsyncSession, key_id: UUID) -> AccessKey:
    """Return an access key, without its secret. Raises NOT_FOUND."""
    key = await session.get(AccessKey, key_id)
    if key is None or key.deleted_at is not None:
        raise not_found("access key")
    return key


async def list_keys(session: AsyncSession, cursor: Cursor | None, size: int) -> Page[AccessKey]:
    """Return access keys, newest first."""
    statement = select(AccessKey).where(col(AccessKey.deleted_at).is_(None))
    rows = await session.exec(newest_first(statement, AccessKey, cursor, size))
    return Page.of(list(rows), size, lambda row: row)


async def delete_key(session: AsyncSession, key_id: UUID) -> AccessKey:
    """Delete a key softly; it is refused at once. Raises NOT_FOUND."""
    key = await get_key(session, key_id)
    key.deleted_at = now()
    session.add(key)
    return key
