"""Bodies and answers of `/api/v1/prompts`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from api.rendering import tm
from api.schemas.camel import Camel, CamelBody, LongText, ShortText, prefixed
from redraft.domain.prompts import PromptWithVersion


class PromptCreate(CamelBody):
    """A prompt to create."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True)]
    content: str
    llm_model: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    description: LongText = ""
    tags: list[ShortText] = Field(default_factory=list, max_length=50)
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False, strict=True)
    max_tokens: int | None = Field(default=None, ge=1, le=10_000_000, strict=True)


class WatchPatch(CamelBody):
    """Whether accepted changes are watched, and taken back when they do worse; what is absent stays."""

    enabled: bool | None = Field(default=None, strict=True)
    auto_restore: bool | None = Field(default=None, strict=True)


class PromptPatch(CamelBody):
    """What to change; what is absent stays. Another `content` makes a new version."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True)] | None = None
    content: str | None = None
    llm_model: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None
    description: LongText | None = None
    tags: list[ShortText] | None = Field(default=None, max_length=50)
    temperature: float | None = Field(default=None, ge=0, le=2, allow_inf_nan=False, strict=True)
    max_tokens: int | None = Field(default=None, ge=1, le=10_000_000, strict=True)
    watch: WatchPatch | None = None

    def fields(self) -> dict[str, Any]:
        """Return the fields given, by the core's names and without the prompt's text."""
        given = self.model_dump(exclude_none=True, exclude={"content", "watch"})
        if self.watch is not None:
            given |= self.watch.model_dump(exclude_none=True)
        names = {"llm_model": "engine_model", "description": "detail", "enabled": "watched"}
        return {names.get(name, name): value for name, value in given.items()}


class WatchSettings(Camel):
    """Whether accepted changes are watched, and taken back when they do worse."""

    enabled: bool
    auto_restore: bool


class PromptAnswer(Camel):
    """A prompt at its current version."""

    id: str
    name: str
    content: str
    llm_model: str
    description: str
    tags: list[str]
    temperature: float | None
    max_tokens: int | None
    status: str = "active"
    is_active: bool = True
    version: int
    watch: WatchSettings
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, found: PromptWithVersion) -> PromptAnswer:
        """Render a prompt."""
        prompt, version = found.prompt, found.version
        return cls(
            id=prefixed("prompt", prompt.id),
            name=prompt.name,
            content=version.text,
            llm_model=prompt.engine_model,
            description=prompt.detail,
            tags=prompt.tags,
            temperature=prompt.temperature,
            max_tokens=prompt.max_tokens,
            version=version.number,
            watch=WatchSettings(enabled=prompt.watched, auto_restore=prompt.auto_restore),
            created_at=tm(prompt.created_at),
            updated_at=tm(prompt.updated_at or prompt.created_at),
        )
