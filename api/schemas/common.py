"""What the schemas of section "VoIPBIN" share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    WithJsonSchema,
    model_validator,
)

from api.rendering import tm
from redraft.domain.errors import RedraftError
from redraft.domain.languages import DEFAULT_LANGUAGE, check_language

T = TypeVar("T")
R = TypeVar("R")

GREATEST_NOTE = 2_000
NOT_BLANK: dict[str, JsonValue] = {"pattern": r"\S"}
"""Tells in the schema what the code checks with a clearer message."""

Tm = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time as `api.rendering.tm` writes it."""

EXAMPLE_TM = "2026-01-15T10:00:00.000000Z"
EXAMPLE_IDS = {
    "customer": UUID("5e4a0680-804e-11ec-8477-2fea5968d85b"),
    "ai": UUID("b2c3d4e5-f6a7-8901-bcde-f12345678901"),
    "history": UUID("c3d4e5f6-a7b8-9012-cdef-123456789012"),
    "audit": UUID("d4e5f6a7-b8c9-0123-defa-b12345678901"),
    "other_audit": UUID("d4e5f6a7-b8c9-0123-defa-b12345678902"),
    "proposal": UUID("e5f6a7b8-c9d0-1234-efab-c12345678901"),
    "call": UUID("a7b8c9d0-e1f2-3456-abcd-e12345678901"),
}


def _nullable_schema(schema: dict[str, Any]) -> None:
    """Say in the schema that null is the same as absent."""
    for name, part in schema.get("properties", {}).items():
        if name not in schema.get("required", []) and "anyOf" not in part:
            keep = {key: part.pop(key) for key in ("title", "description", "default", "examples") if key in part}
            schema["properties"][name] = {"anyOf": [part, {"type": "null"}], **keep}


class Body(BaseModel):
    """A request body or a part of one. null is the same as absent.

    Fields unknown here are left alone, so that a record can be sent back as it was read.
    """

    model_config = ConfigDict(extra="ignore", json_schema_extra=_nullable_schema)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


def _language(tag: str) -> str:
    try:
        return check_language("language", tag)
    except RedraftError as error:
        raise ValueError(error.message.removeprefix("language: ")) from error


def _time(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        return tm(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"must be a time in ISO 8601, for example {EXAMPLE_TM}") from error


def _written_time(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"must be a time in ISO 8601, for example {EXAMPLE_TM}")
    return value


Language = Annotated[
    str,
    AfterValidator(_language),
    Field(description=f"BCP 47 tag, such as {DEFAULT_LANGUAGE}; empty for none.", examples=[DEFAULT_LANGUAGE]),
]
Time = Annotated[str, AfterValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time in a request: ISO 8601, UTC when it names no zone; read into the form of `Tm`."""

Moment = Annotated[AwareDatetime, BeforeValidator(_written_time)]
"""A time with its zone in a request, as a moment; a number is none."""

Note = Annotated[str, Field(max_length=GREATEST_NOTE, description="Why, for those who read the record later.")]


class PageOf(BaseModel, Generic[T]):
    """One page of a list, newest first. `next_page_token` is empty on the last page."""

    result: list[T]
    next_page_token: str = Field(examples=[""])

    @classmethod
    def build(cls, records: list[R], next_token: str, render: Callable[[R], T]) -> PageOf[T]:
        """Return a page of rendered records."""
        return cls(result=[render(record) for record in records], next_page_token=next_token)
