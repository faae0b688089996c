"""Customers for tests, with credentials of every scope."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from redraft.domain.access import Role, Scope
from redraft.domain.customers import create_customer, create_key, create_user
from redraft.store.database import Database

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class CustomerFixture:
    """A customer, its administrator, and a way to add credentials."""

    id: UUID
    username: str
    key: str
    database: Database

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the admin key."""
        return bearer(self.key)

    async def new_key(self, scope: Scope) -> str:
        """Make another access key and return its secret."""
        async with self.database.tenant(self.id) as session:
            return (await create_key(session, self.id, f"{scope} key", scope)).secret

    async def new_user(self, username: str, role: Role) -> UUID:
        """Make a user with `PASSWORD` and return its id."""
        async with self.database.tenant(self.id) as session:
            return (await create_user(session, self.id, username, PASSWORD, role)).id


async def make_customer(database: Database, name: str) -> CustomerFixture:
    """Make a customer; its administrator has a user name that nobody else has."""
    async with database.system() as session:
        made = await create_customer(session, name, f"{name}-{uuid4().hex[:8]}", PASSWORD)
    return CustomerFixture(made.customer.id, made.user.username, made.key.secret, database)


def bearer(secret: str) -> dict[str, str]:
    """Return the Authorization header for a key or token."""
    return {"Authorization": f"Bearer {secret}"}
