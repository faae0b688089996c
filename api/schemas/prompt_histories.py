"""Prompt histories: the immutable versions of an AI's prompt."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.rendering import ref, tm
from api.schemas.common import EXAMPLE_IDS, EXAMPLE_TM, Tm
from redraft.store.ids import ZERO_ID
from redraft.store.tables import PromptVersion


class PromptHistory(BaseModel):
    """One version of a prompt. It never changes."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": str(EXAMPLE_IDS["history"]),
                "ai_id": str(EXAMPLE_IDS["ai"]),
                "customer_id": str(EXAMPLE_IDS["customer"]),
                "prompt": "You are a helpful support assistant.",
                "version": 1,
                "proposal_id": str(ZERO_ID),
                "optimization_id": str(ZERO_ID),
                "source": "create",
                "author": "ada",
                "tm_create": EXAMPLE_TM,
            }
        }
    )

    id: UUID
    ai_id: UUID
    customer_id: UUID
    prompt: str
    version: int = Field(description="1, 2, 3, …; a number is never used again.")
    proposal_id: UUID = Field(description="The accepted proposal that made it, else the zero UUID.")
    optimization_id: UUID = Field(description="The optimization that made it, else the zero UUID.")
    source: str = Field(description="create, update, restore, proposal, optimization, version or watch.")
    author: str
    tm_create: Tm

    @classmethod
    def of(cls, version: PromptVersion) -> PromptHistory:
        """Render a version."""
        return cls(
            id=version.id,
            ai_id=version.prompt_id,
            customer_id=version.customer_id,
            prompt=version.text,
            version=version.number,
            proposal_id=ref(version.proposal_id),
            optimization_id=ref(version.optimization_id),
            source=version.source,
            author=version.author,
            tm_create=tm(version.created_at),
        )
