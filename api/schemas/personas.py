"""Bodies and answers of `/api/v1/personas`."""

from __future__ import annotations

from pydantic import Field

from api.schemas.camel import Camel, CamelBody


class PersonaCreate(CamelBody):
    """A persona to create."""

    name: str
    description: str
    tags: list[str] = Field(default_factory=list)


class PersonaPatch(CamelBody):
    """What to change; what is absent stays."""

    name: str | None = None
    description: str | None = None
    tags: list[str] | None = None


class PersonaAnswer(Camel):
    """Somebody who talks to the agent in a simulation."""

    id: str
    name: str
    description: str
    tags: list[str]
    built_in: bool
    created_at: str
