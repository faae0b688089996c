"""Entity tags and the two conditional headers (RFC 9110, 8.8.3, 13.1.1, 13.1.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Self
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.errors import invalid
from redraft.domain.prompts import get_prompt
from redraft.store.ids import ZERO_ID

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_SEPARATOR = re.compile(r"[ \t]*(?:,[ \t]*)+|[ \t]*$")


def tag(response: Response, value: object) -> None:
    """Give a response the strong entity tag of a value without quotes, to be asked for again every time."""
    response.headers["ETag"] = f'"{value}"'
    response.headers["Cache-Control"] = "private, no-cache"


@dataclass(frozen=True, slots=True)
class Tags:
    """The entity tags of a conditional header; `anything` is `*`."""

    anything: bool = False
    strong: frozenset[str] = field(default_factory=frozenset)
    weak: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def parse(cls, lines: list[str]) -> Self | None:
        """Return the tags of all lines of the header; None when that is no list of tags."""
        value = ",".join(lines).strip(" \t,")
        if value == "*":
            return cls(anything=True)
        strong: set[str] = set()
        weak: set[str] = set()
        position = 0
        while position < len(value):
            found = _TAG.match(value, position)
            separator = _SEPARATOR.match(value, found.end()) if found else None
            if found is None or separator is None:
                return None
            (weak if found[1] else strong).add(found[2])
            position = separator.end()
        return cls(strong=frozenset(strong), weak=frozenset(weak))


@dataclass(frozen=True, slots=True)
class Condition:
    """An If-Match header: what the caller believes to be true."""

    tags: Tags

    def expected(self, current: object, otherwise: str) -> str | None:
        """Return what the caller expects of a record that is at `current`: nothing (`*`), that, or `otherwise`.

        Only strong tags count here, as the standard says. The core compares once more, under its lock.
        """
        if self.tags.anything:
            return None
        return str(current) if str(current) in self.tags.strong else otherwise


async def expected_version(session: AsyncSession, ai_id: UUID, condition: Condition | None) -> UUID | None:
    """Return the version that the caller of If-Match believes an AI to be at, None for any.

    A version that nobody is ever at stands for "another one than the current". Raises NOT_FOUND.
    """
    if condition is None:
        return None
    current = (await get_prompt(session, ai_id)).version.id
    expected = condition.expected(current, otherwise=str(ZERO_ID))
    return None if expected is None else UUID(expected)


# For the OpenAPI document only: a header may come in several lines, which only the request has.
_DocumentedIfMatch = Annotated[
    str, Header(alias="If-Match", description="Entity tags of what was read; the change is made only from those.")
]
_DocumentedIfNoneMatch = Annotated[
    str, Header(alias="If-None-Match", description="Entity tags of what is known; 304 when it is still that.")
]


async def _if_match(request: Request, documented: _DocumentedIfMatch = "") -> Condition | None:
    lines = request.headers.getlist("If-Match")
    if not lines:
        return None
    tags = Tags.parse(lines)
    if tags is None:
        raise invalid("If-Match", 'send the ETag of what you read, in double quotes, for example "abc", or *')
    return Condition(tags)


async def _if_none_match(request: Request, documented: _DocumentedIfNoneMatch = "") -> Tags:
    # A header that can't be read asks for nothing: the whole record is always a right answer.
    return Tags.parse(request.headers.getlist("If-None-Match")) or Tags()


def known(tags: Tags, current: object) -> bool:
    """Return whether the caller of If-None-Match has this already; weak tags count as well."""
    return tags.anything or str(current) in tags.strong | tags.weak


IfMatch = Annotated[Condition | None, Depends(_if_match)]
IfNoneMatch = Annotated[Tags, Depends(_if_none_match)]
