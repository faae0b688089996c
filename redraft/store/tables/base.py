"""Columns that the tables share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from redraft.store.ids import new_id

# Constraint names are fixed, so that a migration can name what it changes.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


def id_field() -> Any:
    """A primary key: UUIDv7."""
    return Field(default_factory=new_id, primary_key=True)


def time_field(*, index: bool = False) -> Any:
    """The time of creation, with time zone."""
    return Field(default_factory=now, sa_type=DateTime(timezone=True), nullable=False, index=index)


def optional_time_field() -> Any:
    """A time that may not have come yet."""
    return Field(default=None, sa_type=DateTime(timezone=True), nullable=True)


def json_field(default_factory: Any = dict, **column: Any) -> Any:
    """A JSONB column that is always there; `column` are further arguments of SQLAlchemy's Column."""
    return Field(default_factory=default_factory, sa_type=JSONB, nullable=False, sa_column_kwargs=column)


def optional_json_field() -> Any:
    """A JSONB column that may be NULL."""
    return Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)


class Record(SQLModel):
    """A row that belongs to one customer."""

    id: UUID = id_field()
    customer_id: UUID = Field(foreign_key="customers.id", index=False)
    created_at: datetime = time_field()
