"""Prompts, versions and what they did, as AgentVista writes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from api.rendering import tm
from api.schemas.aipromptproposals import DiffSegment
from api.schemas.common import EXAMPLE_IDS, EXAMPLE_TM, NOT_BLANK, Body, Tm
from redraft.domain.commit import GREATEST_NUMBER
from redraft.domain.diff import diff
from redraft.domain.errors import RedraftError
from redraft.domain.lineage import Lineage
from redraft.domain.live.compare import VersionReport
from redraft.domain.named_prompts import check_name
from redraft.store.tables import PromptVersion


def _name(name: str) -> str:
    try:
        return check_name("name", name)
    except RedraftError as error:
        raise ValueError(error.message.removeprefix("name: ")) from error


PromptName = Annotated[str, Field(min_length=1, max_length=255, json_schema_extra=NOT_BLANK), AfterValidator(_name)]
VersionNumber = Annotated[int, Field(ge=1, le=GREATEST_NUMBER, strict=True)]

_EXAMPLE: dict[str, JsonValue] = {
    "id": str(EXAMPLE_IDS["history"]),
    "name": "classify-intent",
    "version": 3,
    "template_text": "You are a lead classification agent...",
    "description": "Added escalation class for high-value leads",
    "is_active": True,
    "created_at": EXAMPLE_TM,
}


class PromptVersionCreate(Body):
    """A version to create, and its prompt when there is none of this name."""

    name: PromptName = Field(examples=["classify-intent"])
    version: VersionNumber = 1
    template_text: Annotated[
        str, Field(description="The prompt, at most 64 KiB; not blank.", json_schema_extra=NOT_BLANK)
    ] = Field(examples=["Classify the following inquiry:\n\n{{inquiry}}"])
    description: Annotated[str, Field(max_length=10_000)] | None = Field(default=None, description="What changed.")


class PromptTemplate(BaseModel):
    """One version of a prompt."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    id: UUID
    name: str
    version: int
    template_text: str
    description: str | None
    is_active: bool = Field(description="False once the version is retired.")
    created_at: Tm

    @classmethod
    def of(cls, name: str, version: PromptVersion) -> PromptTemplate:
        """Render a version."""
        return cls(
            id=version.id,
            name=name,
            version=version.number,
            template_text=version.text,
            description=version.description,
            is_active=version.retired_at is None,
            created_at=tm(version.created_at),
        )


class Decided(BaseModel):
    """The decision that made a version."""

    action: str = Field(description="create, update, restore, accept or apply.")
    actor: str
    note: str
    decided_at: Tm
    evidence: dict[str, Any] = Field(description="What was decided on, such as the audits of a proposal.")


class PromptVersionDetail(PromptTemplate):
    """One version and where it came from."""

    is_current: bool
    source: str = Field(description="create, update, restore, proposal, optimization, version or watch.")
    author: str
    based_on: int | None = Field(description="The version before, which this one was made from.")
    restored_from: int | None = Field(description="The version whose text this one has again.")
    proposal_id: UUID | None
    optimization_id: UUID | None
    decision: Decided | None

    @classmethod
    def with_lineage(cls, name: str, found: Lineage) -> PromptVersionDetail:
        """Render a version with what made it."""
        version, decision = found.version, found.decision
        return cls(
            **PromptTemplate.of(name, version).model_dump(),
            is_current=found.current,
            source=version.source,
            author=version.author,
            based_on=found.basis,
            restored_from=found.restored_from,
            proposal_id=version.proposal_id,
            optimization_id=version.optimization_id,
            decision=None
            if decision is None
            else Decided(
                action=decision.action,
                actor=decision.actor,
                note=decision.note,
                decided_at=tm(decision.created_at),
                evidence=decision.evidence,
            ),
        )


class VersionDiff(BaseModel):
    """The way from one version to another. Equal and deleted text is the older, equal and inserted the newer."""

    name: str
    from_version: int
    to_version: int
    segments: list[DiffSegment]

    @classmethod
    def of(cls, name: str, old: PromptVersion, new: PromptVersion) -> VersionDiff:
        """Compare two versions word by word."""
        segments = [DiffSegment(kind=segment.kind, text=segment.text) for segment in diff(old.text, new.text)]
        return cls(name=name, from_version=old.number, to_version=new.number, segments=segments)


class Compared(BaseModel):
    """The difference of two success rates, newer minus older. Nothing is said unless its interval excludes zero."""

    version: int = Field(description="The version it is compared with: the next lower one.")
    difference: float | None = Field(description="null where a rate is not known.")
    interval: tuple[float, float] = Field(description="95 %, and it stays true however often one looks.")
    verdict: Literal["better", "worse", "no_difference_found"]


class VersionFigures(BaseModel):
    """What one version did. null where nothing is known."""

    version: int
    template_text: str
    total_traces: int
    success_rate: float | None = Field(description="Of the traces with a known outcome.")
    avg_cost_usd: float | None
    avg_latency_ms: float | None
    p95_latency_ms: float | None = Field(description="Within 1 %; exact under 200 traces.")
    success_rate_interval: tuple[float, float] | None = Field(description="95 %, true however often one looks.")
    compared_to_previous: Compared | None = Field(description="null for the lowest version and for a period.")

    @classmethod
    def of(cls, report: VersionReport) -> VersionFigures:
        """Render a report."""
        against: dict[str, Any] | None = None
        if report.against_previous is not None and report.previous is not None:
            found = report.against_previous
            against = {
                "version": report.previous,
                "difference": found.difference,
                "interval": found.interval,
                "verdict": found.verdict,
            }
        return cls.model_validate(
            {
                "version": report.version.number,
                "template_text": report.version.text,
                "total_traces": report.total_traces,
                "success_rate": report.success_rate,
                "avg_cost_usd": report.avg_cost_usd,
                "avg_latency_ms": report.avg_latency_ms,
                "p95_latency_ms": report.p95_latency_ms,
                "success_rate_interval": report.success_rate_interval,
                "compared_to_previous": against,
            }
        )


class Comparison(BaseModel):
    """What each version of a prompt did, newest first."""

    name: str
    versions: list[VersionFigures]


class UsageCreate(Body):
    """A trace used a version."""

    prompt_name: Annotated[str, Field(min_length=1, max_length=255)] = Field(examples=["classify-intent"])
    prompt_version: VersionNumber
    trace_id: UUID
    span_id: UUID | None = Field(default=None, description="The span that used it.")


class UsageRecorded(BaseModel):
    """It is recorded, now or before."""

    status: Literal["recorded"] = "recorded"
