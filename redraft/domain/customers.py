"""Customers, their users and their access keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.access import Role, Scope, key_digest, key_prefix, new_key_secret
from redraft.domain.errors import Kind, RedraftError, invalid, not_found
from redraft.domain.passwords import hash_password
from redraft.store.ids import new_id
from redraft.store.tables import AccessKey, Customer, User
from redraft.store.tables.base import now


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
    customer = Customer(name=name.strip())
    session.add(customer)
    await session.flush()
    user = await create_user(session, customer.id, username, password, Role.ADMIN)
    return NewCustomer(customer, user, await create_key(session, customer.id, "first key", Scope.ADMIN))


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
    if not name or not name.isprintable():
        raise invalid("username", "give at least one character, printable ones only")
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


async def set_password(session: AsyncSession, user: User, password: str) -> None:
    """Change a password; every login token of the user ends with it."""
    user.password_hash = await hash_password(password)
    session.add(user)


async def disable_user(session: AsyncSession, user: User) -> None:
    """Refuse a user from now on; tokens they hold are refused at once."""
    user.disabled_at = user.disabled_at or now()
    session.add(user)


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


async def delete_key(session: AsyncSession, key_id: UUID) -> AccessKey:
    """Delete a key softly; it is refused at once. Raises NOT_FOUND."""
    key = await get_key(session, key_id)
    key.deleted_at = now()
    session.add(key)
    return key
