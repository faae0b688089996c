"""AI audits: judged calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from api.rendering import NEVER, tm
from api.schemas.common import EXAMPLE_IDS, EXAMPLE_TM, Body, Language, Tm
from redraft.domain.evidence import Dimensions, DimensionScore, Evaluation
from redraft.store.tables import Audit

AuditStatus = Literal["progressing", "completed", "failed"]
_EXAMPLE_EVALUATION: dict[str, Any] = {
    "overall_score": 2,
    "dimensions": {
        "helpfulness": {"score": 2, "reason": "The caller had to ask twice.", "message_ids": []},
        "accuracy": {"score": 4, "reason": "The price was right.", "message_ids": []},
        "tone": {"score": 4, "reason": "Polite.", "message_ids": []},
        "goal_completion": {"score": 2, "reason": "The plan was never named.", "message_ids": []},
        "tool_usage": None,
    },
    "summary": "Quotes a price without naming the plan.",
}


def _whole_number(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("must be a whole number from 1 to 5")
    return value


GivenScore = Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=5)]


class GivenDimensionScore(DimensionScore):
    """How well one dimension was met."""

    score: GivenScore


class GivenDimensions(Dimensions):
    """The judged dimensions; `tool_usage` null when there was no tool to use."""

    helpfulness: GivenDimensionScore
    accuracy: GivenDimensionScore
    tone: GivenDimensionScore
    goal_completion: GivenDimensionScore
    tool_usage: GivenDimensionScore | None = None


class GivenEvaluation(Evaluation):
    """A judgement made elsewhere."""

    overall_score: GivenScore
    dimensions: GivenDimensions

    def of_the_core(self) -> Evaluation:
        """Return it as the core knows it."""
        return Evaluation.model_validate(self.model_dump())


class AiAuditCreate(Body):
    """A call to judge; or, with `evaluation`, a judgement made elsewhere to record."""

    aicall_id: UUID = Field(examples=[EXAMPLE_IDS["call"]])
    language: Language = ""
    evaluation: GivenEvaluation | None = Field(
        default=None, description="At most 64 KiB. Citations of messages that do not exist are dropped."
    )


class AiAudit(BaseModel):
    """A judged call. `evaluation` is null until the audit is completed."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": str(EXAMPLE_IDS["audit"]),
                "customer_id": str(EXAMPLE_IDS["customer"]),
                "ai_id": str(EXAMPLE_IDS["ai"]),
                "aicall_id": str(EXAMPLE_IDS["call"]),
                "prompt_history_id": str(EXAMPLE_IDS["history"]),
                "status": "completed",
                "source": "recorded",
                "language": "en-US",
                "evaluation": _EXAMPLE_EVALUATION,
                "error": "",
                "note": "",
                "model": "",
                "prompt_tokens": 0,
                "output_tokens": 0,
                "cost_usd": 0.0,
                "tm_create": EXAMPLE_TM,
                "tm_update": NEVER,
                "tm_delete": NEVER,
            }
        }
    )

    id: UUID
    customer_id: UUID
    ai_id: UUID
    aicall_id: UUID
    prompt_history_id: UUID = Field(description="The version that the call ran under.")
    status: AuditStatus
    source: str = Field(description="`model` when Redraft asked a model, `recorded` when made elsewhere.")
    language: str
    evaluation: Evaluation | None
    error: str
    note: str
    model: str
    prompt_tokens: int
    output_tokens: int
    cost_usd: float
    tm_create: Tm
    tm_update: Tm
    tm_delete: Tm

    @classmethod
    def of(cls, audit: Audit) -> AiAudit:
        """Render an audit."""
        return cls(
            id=audit.id,
            customer_id=audit.customer_id,
            ai_id=audit.prompt_id,
            aicall_id=audit.trace_id,
            prompt_history_id=audit.prompt_version_id,
            status=audit.status,
            source=audit.source,
            language=audit.language,
            evaluation=None if audit.evaluation is None else Evaluation.model_validate(audit.evaluation),
            error=audit.error,
            note=audit.note,
            model=audit.model,
            prompt_tokens=audit.prompt_tokens,
            output_tokens=audit.output_tokens,
            cost_usd=float(audit.cost_usd),
            tm_create=tm(audit.created_at),
            tm_update=tm(audit.updated_at),
            tm_delete=tm(audit.deleted_at),
        )
