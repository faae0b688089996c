"""AI calls: finished conversations, recorded as evidence."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from api.rendering import NEVER, ref, tm
from api.schemas.common import EXAMPLE_IDS, EXAMPLE_TM, Body, Time, Tm
from redraft.store.tables import Trace

Role = Literal["system", "user", "assistant", "tool"]
ShortId = Annotated[str, Field(min_length=1, max_length=128)]


class MessageCreate(Body):
    """One message, as in the OpenAI chat format."""

    id: ShortId | None = Field(default=None, description="Your own id of the message; made when absent.")
    role: Role
    content: str | None = Field(
        default=None,
        validate_default=True,
        description="At most 32 KiB together with the tool calls. An assistant's may be absent.",
    )
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: Annotated[str, Field(max_length=255)] | None = None
    tm: Time | None = Field(default=None, description="When it was said.")

    @field_validator("content")
    @classmethod
    def _said(cls, content: str | None, info: ValidationInfo) -> str:
        """Let an assistant be silent, as it is when it calls a tool; from others an absent content is a mistake."""
        if content is None and info.data.get("role") != "assistant":
            raise ValueError("field required, except from an assistant")
        return content or ""


def distinct_ids(messages: list[MessageCreate]) -> list[MessageCreate]:
    """Return the messages. Raises ValueError when two have the same id."""
    given = [message.id for message in messages if message.id is not None]
    if len(given) != len(set(given)):
        raise ValueError("each message id only once")
    return messages


class AiCallCreate(Body):
    """A finished call to record."""

    ai_id: UUID = Field(examples=[EXAMPLE_IDS["ai"]])
    messages: Annotated[list[MessageCreate], Field(min_length=1), AfterValidator(distinct_ids)] = Field(
        examples=[[{"role": "user", "content": "What does it cost?"}, {"role": "assistant", "content": "9 euros."}]]
    )
    prompt_history_id: UUID | None = Field(
        default=None, description="The version it ran under; default: the AI's current one."
    )
    status: Literal["terminated"] = Field(default="terminated", description="Only finished calls are recorded.")
    metadata: dict[str, Any] = Field(default_factory=dict)

    def stored_messages(self) -> list[dict[str, Any]]:
        """Return the messages as they are kept."""
        return [message.model_dump(exclude_none=True) for message in self.messages]


class CallMessage(BaseModel):
    """One message of a recorded call."""

    id: str
    role: Role
    content: str
    tool_calls: list[dict[str, Any]]
    tool_call_id: str
    tm: str = Field(description="When it was said; empty when nobody told.")

    @classmethod
    def of(cls, message: dict[str, Any]) -> CallMessage:
        """Render a stored message."""
        return cls(
            id=message["id"],
            role=message["role"],
            content=message.get("content") or "",
            tool_calls=message.get("tool_calls") or [],
            tool_call_id=message.get("tool_call_id") or "",
            tm=message.get("tm") or "",
        )


class AiCall(BaseModel):
    """A finished call. Its text is gone once it is deleted, the numbers stay."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": str(EXAMPLE_IDS["call"]),
                "customer_id": str(EXAMPLE_IDS["customer"]),
                "ai_id": str(EXAMPLE_IDS["ai"]),
                "prompt_history_id": str(EXAMPLE_IDS["history"]),
                "status": "terminated",
                "messages": [
                    {
                        "id": "0198f0a2-5b7e-7c3d-9a11-0d2f4c6b8e01",
                        "role": "user",
                        "content": "What does it cost?",
                        "tool_calls": [],
                        "tool_call_id": "",
                        "tm": "",
                    }
                ],
                "message_count": 1,
                "metadata": {},
                "tm_create": EXAMPLE_TM,
                "tm_update": NEVER,
                "tm_delete": NEVER,
            }
        }
    )

    id: UUID
    customer_id: UUID
    ai_id: UUID
    prompt_history_id: UUID
    status: str
    messages: list[CallMessage]
    message_count: int
    metadata: dict[str, Any]
    tm_create: Tm
    tm_update: Tm
    tm_delete: Tm

    @classmethod
    def of(cls, trace: Trace) -> AiCall:
        """Render a trace that is a finished conversation of a prompt."""
        return cls(
            id=trace.id,
            customer_id=trace.customer_id,
            ai_id=ref(trace.prompt_id),
            prompt_history_id=ref(trace.prompt_version_id),
            status="terminated",
            messages=[CallMessage.of(message) for message in trace.messages],
            message_count=trace.message_count,
            metadata=trace.trace_metadata,
            tm_create=tm(trace.created_at),
            tm_update=tm(trace.deleted_at),
            tm_delete=tm(trace.deleted_at),
        )
