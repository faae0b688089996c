"""Keyset paging on time and id, newest first: a page never shifts when records are added."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

from sqlalchemy import tuple_

from redraft.domain.errors import invalid

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last record of the page before."""

    created_at: datetime
    id: UUID

    def token(self) -> str:
        """Return this cursor as an opaque page token."""
        raw = f"{self.created_at.isoformat()}|{self.id}".encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str) -> Self | None:
        """Return the cursor of a page token, None for an empty one. Raises INVALID for anything not ours."""
        if not token:
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
            time, _, identifier = raw.partition("|")
            created_at = datetime.fromisoformat(time)
            if created_at.tzinfo is None:
                raise ValueError("no time zone")
            return cls(created_at, UUID(identifier))
        except (ValueError, binascii.Error) as error:
            raise invalid("page_token", "not a page token of this API; take it from next_page_token") from error


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of records; `next_token` is empty on the last page."""

    items: list[T]
    next_token: str

    @classmethod
    def of(cls, rows: list[T], size: int, record: Callable[[T], Any]) -> Page[T]:
        """Return a page from up to `size` + 1 rows; the one too many only tells that there is more."""
        items = rows[:size]
        if len(rows) <= size:
            return cls(items, "")
        last = record(items[-1])
        return cls(items, Cursor(last.created_at, last.id).token())


def newest_first(statement: Any, table: Any, cursor: Cursor | None, size: int) -> Any:
    """Return the statement ordered newest first, after the cursor, with one row more than `size`."""
    if cursor is not None:
        statement = statement.where(tuple_(table.created_at, table.id) < (cursor.created_at, cursor.id))
    return statement.order_by(table.created_at.desc(), table.id.desc()).limit(size + 1)
