"""AIs: the assistants whose prompts are improved."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.rendering import NEVER, tm
from api.schemas.common import EXAMPLE_IDS, EXAMPLE_TM, NOT_BLANK, Body, Language, Tm
from redraft.domain.limits import size_of
from redraft.domain.prompts import PromptWithVersion
from redraft.settings import KIB

GREATEST_PARAMETER = 64 * KIB


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


def _small(parameter: dict[str, Any]) -> dict[str, Any]:
    if (size := size_of(parameter)) > GREATEST_PARAMETER:
        raise ValueError(f"is {size:,} bytes as JSON; at most {GREATEST_PARAMETER:,} are allowed")
    return parameter


Name = Annotated[str, Field(min_length=1, max_length=255, json_schema_extra=NOT_BLANK), AfterValidator(_not_blank)]
Detail = Annotated[str, Field(max_length=10_000, description="What the AI is for.")]
EngineModel = Annotated[str, Field(max_length=255, description="The model that runs the AI; for your information.")]
Parameter = Annotated[
    dict[str, Any], AfterValidator(_small), Field(description="Values for the variables of the prompt, at most 64 KiB.")
]
PromptText = Annotated[
    str, Field(description="The system prompt, at most 64 KiB; not blank.", json_schema_extra=NOT_BLANK)
]


class AiCreate(Body):
    """An AI to create with the first version of its prompt."""

    name: Name = Field(examples=["Support"])
    init_prompt: PromptText = Field(examples=["You are a helpful support assistant."])
    detail: Detail = ""
    engine_model: EngineModel = ""
    parameter: Parameter = Field(default_factory=dict)
    language: Language = ""


class AiUpdate(Body):
    """What to change; what is absent stays. Another `init_prompt` makes a new version, the same one makes none."""

    name: Name | None = None
    init_prompt: PromptText | None = None
    detail: Detail | None = None
    engine_model: EngineModel | None = None
    parameter: Parameter | None = None
    language: Language | None = None

    def fields(self) -> dict[str, Any]:
        """Return the fields given, without the prompt's text."""
        return self.model_dump(exclude_none=True, exclude={"init_prompt"})


class Ai(BaseModel):
    """An AI. `init_prompt` is the text of `current_prompt_history_id`."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": str(EXAMPLE_IDS["ai"]),
                "customer_id": str(EXAMPLE_IDS["customer"]),
                "name": "Support",
                "detail": "",
                "engine_model": "openai.gpt-4o",
                "init_prompt": "You are a helpful support assistant.",
                "current_prompt_history_id": str(EXAMPLE_IDS["history"]),
                "parameter": {},
                "language": "en-US",
                "prompt_name": "Support",
                "tm_create": EXAMPLE_TM,
                "tm_update": NEVER,
                "tm_delete": NEVER,
            }
        }
    )

    id: UUID
    customer_id: UUID
    name: str
    detail: str
    engine_model: str
    init_prompt: str
    current_prompt_history_id: UUID
    parameter: dict[str, Any]
    language: str
    prompt_name: str = Field(description="The prompt's name in the dashboard; stable, whatever `name` becomes.")
    tm_create: Tm
    tm_update: Tm
    tm_delete: Tm

    @classmethod
    def of(cls, found: PromptWithVersion) -> Ai:
        """Render a prompt and its current version."""
        prompt = found.prompt
        return cls(
            id=prompt.id,
            customer_id=prompt.customer_id,
            name=prompt.name,
            detail=prompt.detail,
            engine_model=prompt.engine_model,
            init_prompt=found.version.text,
            current_prompt_history_id=found.version.id,
            parameter=prompt.parameter,
            language=prompt.language,
            prompt_name=prompt.prompt_name,
            tm_create=tm(prompt.created_at),
            tm_update=tm(prompt.updated_at),
            tm_delete=tm(prompt.deleted_at),
        )
