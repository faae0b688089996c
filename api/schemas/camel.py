"""What the APIs in camelCase share: bodies, answers, pages, and ids behind a prefix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

from api.schemas.common import Body
from redraft.domain.errors import invalid, not_found

T = TypeVar("T")
R = TypeVar("R")
Prefix = Literal[
    "prompt", "opt", "var", "persona", "trial", "scenario", "watch", "sched", "schedrun", "evt", "webhook", "delivery"
]
GREATEST_LIMIT = 100
Limit = Annotated[int, Query(ge=1, le=GREATEST_LIMIT, description="Records per page.")]
Offset = Annotated[int, Query(ge=0, le=10_000_000, description="Records to pass over.")]
ShortText = Annotated[str, StringConstraints(max_length=500)]
LongText = Annotated[str, StringConstraints(max_length=4_000)]


def prefixed(prefix: Prefix, identifier: UUID | str) -> str:
    """Return an id as this API writes it."""
    return f"{prefix}_{identifier}"


def path_id(prefix: Prefix, text: str, what: str) -> UUID:
    """Return the UUID behind an id in a path. Raises NOT_FOUND: nothing has a malformed id."""
    try:
        return UUID(text.removeprefix(f"{prefix}_"))
    except ValueError as error:
        raise not_found(what) from error


def body_id(prefix: Prefix, field: str, text: str) -> UUID:
    """Return the UUID behind an id in a body or a query. Raises INVALID naming the field."""
    try:
        return UUID(text.removeprefix(f"{prefix}_"))
    except ValueError as error:
        raise invalid(field, f"must be an id such as {prefix}_01890a5d-ac96-774b-bcce-b302099a8057") from error


class CamelBody(Body):
    """A request body in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Camel(BaseModel):
    """An answer in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Pagination(Camel):
    """Where a page lies in the whole."""

    total: int
    limit: int
    offset: int


class ListOf(Camel, Generic[T]):
    """One page of a list."""

    data: list[T]
    pagination: Pagination

    @classmethod
    def build(cls, records: list[R], total: int, limit: int, offset: int, render: Callable[[R], T]) -> ListOf[T]:
        """Return a page of rendered records."""
        page = Pagination(total=total, limit=limit, offset=offset)
        return cls(data=[render(record) for record in records], pagination=page)
