"""Traces and their spans, as agents report them and as they are read back."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from api.rendering import tm
from api.schemas.aicalls import CallMessage, MessageCreate, distinct_ids
from api.schemas.common import EXAMPLE_IDS, EXAMPLE_TM, Body, Moment, Tm
from redraft.domain.live.reading import TraceDetail
from redraft.store.tables import Span, Trace

Status = Literal["running", "completed", "failed", "timed_out"]
SpanType = Literal["agent", "llm", "tool", "http", "db", "custom"]


def _decimal(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError('must be a number or a decimal text such as "0.0038"')
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError('must be a number or a decimal text such as "0.0038"') from error


def _written_id(value: Any) -> Any:
    if not isinstance(value, str | UUID):
        raise ValueError("must be a UUID as text")
    return value


Id = Annotated[UUID, BeforeValidator(_written_id)]
Usd = Annotated[
    Decimal,
    Field(allow_inf_nan=True),  # refused later, with the field's range
    BeforeValidator(_decimal),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?$", "description": "USD, kept to 12 decimals."}),
]
Milliseconds = Annotated[float, Field(strict=True)]
Tokens = Annotated[int, Field(strict=True)]
ShortText = Annotated[str, Field(max_length=255)]


class TraceIn(Body):
    """One report of a trace. What a later or earlier report of it says is merged with this one."""

    trace_id: Id = Field(examples=[EXAMPLE_IDS["call"]])
    agent: ShortText | None = Field(default=None, examples=["lead-classifier"])
    status: Status = Field(examples=["completed"])
    started_at: Moment = Field(examples=[EXAMPLE_TM])
    ended_at: Moment | None = None
    duration_ms: Milliseconds | None = Field(default=None, description="Default: from start to end.")
    success: Annotated[bool, Field(strict=True)] | None = Field(
        default=None, description="Default: false when failed or timed_out, else not known."
    )
    outcome: ShortText | None = Field(default=None, description="A word for the outcome, such as qualified.")
    total_tokens: Tokens | None = Field(default=None, description="Default: what its llm spans add up to.")
    total_cost_usd: Usd | None = None
    prompt_name: ShortText | None = Field(default=None, description="The prompt it used, with its version.")
    prompt_version: Annotated[int, Field(strict=True)] | None = None
    messages: Annotated[list[MessageCreate], AfterValidator(distinct_ids)] | None = Field(
        default=None, description="What was said: with a prompt version, the trace can be audited like a call."
    )
    metadata: dict[str, Any] | None = None


class SpanIn(Body):
    """One report of a step of a trace."""

    span_id: Id
    trace_id: Id | None = Field(default=None, description="That of the trace it is sent with.")
    parent_span_id: Id | None = None
    type: SpanType = "custom"
    name: Annotated[str, Field(max_length=1_000)] = ""
    status: Status = "completed"
    started_at: Moment = Field(examples=[EXAMPLE_TM])
    ended_at: Moment | None = None
    model: ShortText | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cost_usd: Usd | None = None
    attributes: dict[str, Any] | None = None


class TraceItem(BaseModel):
    """A trace with some of its spans."""

    trace: TraceIn
    spans: list[SpanIn] = Field(default_factory=list)


class TraceBatch(BaseModel):
    """Traces to record. An item that is wrong is named in the answer and keeps none of the others out."""

    traces: list[TraceItem]


class ItemError(BaseModel):
    """What is wrong with one item; nothing of it was recorded."""

    index: int
    detail: str


class BatchAnswer(BaseModel):
    """`duplicates` said nothing new; `accepted` + `duplicates` + errors are all items."""

    accepted: int
    duplicates: int
    errors: list[ItemError]


class TraceOut(BaseModel):
    """A trace. What is not known is null."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "trace_id": str(EXAMPLE_IDS["call"]),
                "kind": "trace",
                "agent": "lead-classifier",
                "status": "completed",
                "success": True,
                "outcome": "qualified",
                "started_at": EXAMPLE_TM,
                "ended_at": EXAMPLE_TM,
                "duration_ms": 1420.5,
                "total_tokens": 812,
                "total_cost_usd": "0.0038",
                "prompt_name": "classify-intent",
                "prompt_version": 3,
                "message_count": 2,
                "created_at": EXAMPLE_TM,
            }
        }
    )

    trace_id: UUID
    kind: Literal["call", "trace", "run"]
    agent: str
    status: Status
    success: bool | None
    outcome: str | None
    started_at: Tm
    ended_at: Tm | None
    duration_ms: float | None
    total_tokens: int | None
    total_cost_usd: str | None
    prompt_name: str | None
    prompt_version: int | None
    message_count: int
    created_at: Tm

    @classmethod
    def of(cls, row: tuple[Trace, str | None, int | None]) -> TraceOut:
        """Render a trace with the prompt and version that it named itself."""
        return cls.model_validate(_trace_values(*row))


class SpanOut(BaseModel):
    """A step of a trace."""

    span_id: UUID
    trace_id: UUID
    parent_span_id: UUID | None
    type: SpanType
    name: str
    status: Status
    started_at: Tm
    ended_at: Tm | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: str | None
    attributes: dict[str, Any]

    @classmethod
    def of(cls, span: Span) -> SpanOut:
        """Render a span."""
        values = span.model_dump(exclude={"customer_id"})
        times = {"started_at": _time(span.started_at), "ended_at": _time(span.ended_at)}
        return cls.model_validate(values | times | {"cost_usd": _usd(span.cost_usd)})


class UsageOut(BaseModel):
    """A version that the trace used."""

    prompt_name: str
    prompt_version: int
    span_id: UUID | None


class TraceFull(TraceOut):
    """A trace with its text, steps and versions."""

    messages: list[CallMessage]
    metadata: dict[str, Any]
    spans: list[SpanOut]
    prompts: list[UsageOut]

    @classmethod
    def with_details(cls, found: TraceDetail) -> TraceFull:
        """Render a trace with everything of it."""
        details = {
            "messages": [CallMessage.of(message) for message in found.trace.messages],
            "metadata": found.trace.trace_metadata,
            "spans": [SpanOut.of(span) for span in found.spans],
            "prompts": [
                UsageOut(prompt_name=name, prompt_version=number, span_id=span_id)
                for name, number, span_id in found.usages
            ],
        }
        return cls.model_validate(_trace_values(found.trace, found.prompt_name, found.prompt_version) | details)

    @classmethod
    def erased(cls, found: TraceDetail) -> TraceFull:
        """Render a trace whose text has just been erased."""
        whole = cls.with_details(found)
        spans = [span.model_copy(update={"attributes": {}}) for span in whole.spans]
        return whole.model_copy(update={"messages": [], "metadata": {}, "spans": spans})


class TraceList(BaseModel):
    """One page of traces, newest first. `next_page_token` is empty on the last page."""

    traces: list[TraceOut]
    next_page_token: str


def _trace_values(trace: Trace, name: str | None, number: int | None) -> dict[str, Any]:
    values = trace.model_dump(
        include={"kind", "agent", "status", "success", "outcome", "total_tokens", "message_count"}
    )
    return values | {
        "trace_id": trace.id,
        "started_at": _time(trace.started_at),
        "ended_at": None if trace.status == "running" else _time(trace.ended_at),
        "duration_ms": None if trace.duration_us is None else trace.duration_us / 1000,
        "total_cost_usd": _usd(trace.cost_usd),
        "prompt_name": name,
        "prompt_version": number,
        "created_at": _time(trace.created_at),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else tm(moment)


def _usd(cost: Decimal | None) -> str | None:
    return None if cost is None else format(cost.normalize(), "f")
