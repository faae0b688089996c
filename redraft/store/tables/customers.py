"""Customers and how their people and programs sign in."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, LargeBinary, Numeric, UniqueConstraint
from sqlmodel import Field, SQLModel

from redraft.store.tables.base import Record, id_field, optional_time_field, time_field


class Customer(SQLModel, table=True):
    """Whoever owns prompts. Where `monthly_budget_usd` or `trace_days` is None, the setting's default counts."""

    __tablename__ = "customers"

    id: UUID = id_field()
    name: str
    max_in_progress: int | None = None
    monthly_budget_usd: Decimal | None = Field(default=None, sa_type=Numeric(18, 9))
    trace_days: int | None = None
    created_at: datetime = time_field()


class User(Record, table=True):
    """A person. `role` is viewer, manager or admin; the user name is unique over all customers."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role in ('viewer', 'manager', 'admin')", name="role"),
        UniqueConstraint("username"),
    )

    username: str
    password_hash: str
    role: str = "manager"
    disabled_at: datetime | None = optional_time_field()
    deleted_at: datetime | None = optional_time_field()


class AccessKey(Record, table=True):
    """A program's credential: only its SHA-256 is kept. `scope` is read, write or admin."""

    __tablename__ = "access_keys"
    __table_args__ = (
        CheckConstraint("scope in ('read', 'write', 'admin')", name="scope"),
        UniqueConstraint("secret_sha256"),
    )

    name: str = ""
    detail: str = ""
    prefix: str
    secret_sha256: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    scope: str = "admin"
    expires_at: datetime | None = optional_time_field()
    last_used_at: datetime | None = optional_time_field()
    deleted_at: datetime | None = optional_time_field()


SIGNING_KEY = "token_signing_key"
"""Name of the secret that signs login tokens."""


class Secret(SQLModel, table=True):
    """A secret of this installation, such as the key that signs login tokens."""

    __tablename__ = "secrets"

    name: str = Field(primary_key=True)
    value: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    created_at: datetime = time_field()


class IdempotencyKey(SQLModel, table=True):
    """The first answer to a request that may be repeated. `locked_until` is set while it still runs."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "created_at"),)

    customer_id: UUID = Field(foreign_key="customers.id", primary_key=True)
    route: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    body_sha256: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    status: int | None = None
    body: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))
    content_type: str | None = None
    owner: UUID
    locked_until: datetime | None = optional_time_field()
    created_at: datetime = time_field()


class RateWindow(SQLModel, table=True):
    """Permits taken from one minute of one subject, by all API processes together."""

    __tablename__ = "rate_windows"

    subject: str = Field(primary_key=True)
    window_start: datetime = time_field()
    taken: int = 0
