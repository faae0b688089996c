"""Runs in the Cekura API: every field always there, sent and returned as published."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    model_validator,
)

from api.schemas.common import Body
from redraft.domain.runs.content import (
    EvaluationStatus,
    ExpectedOutcome,
    Identifier,
    RubricEntry,
    RunEvaluation,
    RunStatus,
)
from redraft.domain.runs.records import GREATEST_NUMBER, RunChange, RunDraft
from redraft.domain.runs.transcript import MAX_CONTENT_CHARS, Turn, text_of, turns_of
from redraft.store.tables import Run

_DURATION = re.compile(r"(\d{1,5}):([0-5]\d)")
Rubric = Annotated[list[RubricEntry], Field(max_length=500)]
ShortText = Annotated[str, Field(max_length=1_000)]
Text = Annotated[str, Field(max_length=65_536)]


def number_of(text: str) -> int | None:
    """Return the number of a run or an agent that a text is, None when it is none that a record can have."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else None
    return number if number is not None and number <= GREATEST_NUMBER else None


def _agent(value: Any) -> Any:
    """Take an integer for the number of a prompt, also when it is written as text."""
    number = number_of(value) if isinstance(value, str) else None
    return value if number is None else number


AgentId = Annotated[StrictInt | UUID, BeforeValidator(_agent), Field(description="The AI's id, or its number.")]


def _text_of_time(value: Any) -> Any:
    """Refuse a number, which could be seconds or milliseconds. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("must be a time such as 2026-01-15T10:00:00Z")
    return value


def _readable(text: str) -> str:
    """Return a transcript that can be read as turns. Raises ValueError."""
    if any(len(turn.content) > MAX_CONTENT_CHARS for turn in turns_of(text)):
        raise ValueError(f"has a turn of more than {MAX_CONTENT_CHARS:,} characters")
    return text


class RunFields(Body):
    """What a run says. Whatever is absent stays as it is, or has nothing to say."""

    provider_call_id: ShortText | None = None
    scenario: Identifier | None = None
    scenario_name: ShortText | None = None
    personality: Identifier | None = None
    personality_name: ShortText | None = None
    result_id: Identifier | None = None
    result_name: ShortText | None = None
    expected_outcome_prompt: Text | None = None
    expected_outcome: ExpectedOutcome | None = None
    evaluation: RunEvaluation | Rubric | None = Field(
        default=None, description="The metrics; the bare list of a rubric is taken as `rubric`."
    )
    rubric: Rubric | None = None
    transcript: Annotated[str, AfterValidator(_readable)] | None = Field(
        default=None,
        description="`[MM:SS] Speaker: text`, a line for each turn.",
        examples=["[00:01] Testing Agent: Hello."],
    )
    transcript_object: list[Turn] | None = Field(default=None, max_length=5_000)
    duration: str | None = Field(
        default=None, pattern=rf"^{_DURATION.pattern}$", description="MM:SS.", examples=["00:42"]
    )
    voice_recording_url: Annotated[str, Field(max_length=4_000)] | None = None
    email_id: Identifier | None = None
    status: RunStatus | None = None
    evaluation_status: EvaluationStatus | None = None
    metadata: dict[str, Any] | None = None
    success: StrictBool | None = None
    is_reviewed: StrictBool | None = None
    feedback: Text | None = None
    executed_at: Annotated[AwareDatetime, BeforeValidator(_text_of_time)] | None = None
    outbound_number: ShortText | None = None
    inbound_number: ShortText | None = None
    critical_categories: list[Any] | None = Field(default=None, max_length=100)
    error_message: Text | None = None
    scenario_instructions: Text | None = None
    run_as_text: StrictBool | str | None = None
    test_profile_data: Any = None
    generated_mock_tool_entries: list[Any] | None = Field(default=None, max_length=1_000)
    provider_call_details: Any = None
    agent_number: ShortText | None = None
    testing_channel_index: StrictInt | None = None
    run_type: ShortText | None = None

    @model_validator(mode="after")
    def _one_transcript(self) -> Self:
        said = self.transcript_object
        if self.transcript is not None and said is not None and said != turns_of(self.transcript):
            raise ValueError("transcript and transcript_object say different things; send one of them")
        return self

    def turns(self) -> list[Turn] | None:
        """Return the transcript, None when it was not sent."""
        if self.transcript_object is not None:
            return self.transcript_object
        return turns_of(self.transcript) if self.transcript is not None else None

    def content(self) -> dict[str, Any]:
        """Return what was sent and has no column, the transcript as turns."""
        sent = self.model_dump(mode="json", exclude_unset=True, exclude={*_COLUMNS, "transcript", "transcript_object"})
        if isinstance(sent.get("evaluation"), list):
            sent["rubric"] = sent.get("rubric") or sent["evaluation"]
            del sent["evaluation"]
        turns = self.turns()
        if turns is not None:
            sent["transcript_object"] = [turn.model_dump() for turn in turns]
        return sent

    def duration_ms(self) -> float | None:
        """Return the duration in ms."""
        found = _DURATION.fullmatch(self.duration or "")
        return 1_000.0 * (60 * int(found[1]) + int(found[2])) if found else None


_COLUMNS = ("agent", "status", "evaluation_status", "success", "trace_id")


class RunCreate(RunFields):
    """A run to record."""

    agent: AgentId
    trace_id: ShortText | None = Field(
        default=None, description="A UUID joins the trace of that id; anything else is kept as it is."
    )

    def draft(self, run_id: UUID) -> RunDraft:
        """Return the run as the core takes it."""
        content = self.content()
        if self.trace_id is not None:
            content["trace_id"] = self.trace_id
        return RunDraft(
            id=run_id,
            agent=self.agent,
            status=self.status or "completed",
            evaluation_status=self.evaluation_status,
            success=self.success,
            turns=self.turns() or [],
            content=content,
            started_at=self.executed_at,
            duration_ms=self.duration_ms(),
            trace_id=_uuid(self.trace_id),
        )


class RunPatch(RunFields):
    """What to correct in a run; what is absent stays."""

    def onto(self, run: Run) -> RunChange:
        """Return the run with these changes."""
        return RunChange(
            status=self.status or run.status,
            evaluation_status=self.evaluation_status or run.evaluation_status,
            success=self.success if self.success is not None else _kept(self, run),
            content=run.content | self.content(),
            turns=self.turns(),
            duration_ms=self.duration_ms(),
            started_at=self.executed_at,
        )


def _kept(patch: RunPatch, run: Run) -> bool | None:
    """A new evaluation status speaks for itself; without one, what was said before holds."""
    return None if patch.evaluation_status is not None else run.success


def _uuid(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        return None


class RunAnswer(BaseModel):
    """One call with its evaluation. All keys are always present."""

    model_config = ConfigDict(extra="ignore")

    id: int
    agent: UUID
    provider_call_id: str | None = None
    trace_id: str
    scenario: Identifier | None = None
    scenario_name: str | None = None
    personality: Identifier | None = None
    personality_name: str | None = None
    result_id: Identifier | None = None
    result_name: str | None = None
    expected_outcome_prompt: str | None = None
    expected_outcome: ExpectedOutcome | None = None
    evaluation: RunEvaluation = Field(default_factory=RunEvaluation)
    rubric: list[RubricEntry] | None = None
    transcript: str = ""
    transcript_object: list[Turn] = Field(default_factory=list)
    duration: str | None = None
    voice_recording_url: str | None = None
    email_id: Identifier | None = None
    status: RunStatus
    evaluation_status: EvaluationStatus | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    success: bool | None = None
    is_reviewed: bool = False
    feedback: str | None = None
    timestamp: datetime
    executed_at: datetime | None = None
    outbound_number: str | None = None
    inbound_number: str | None = None
    critical_categories: list[Any] = Field(default_factory=list)
    error_message: str | None = None
    scenario_instructions: str | None = None
    run_as_text: bool | str | None = None
    test_profile_data: Any = None
    generated_mock_tool_entries: list[Any] = Field(default_factory=list)
    provider_call_details: Any = None
    agent_number: str | None = None
    testing_channel_index: int | None = None
    run_type: str | None = None

    @classmethod
    def of(cls, run: Run) -> Self:
        """Render a run."""
        turns = [Turn.model_validate(turn) for turn in run.content.get("transcript_object") or []]
        columns = {
            "id": run.number,
            "agent": run.prompt_id,
            "trace_id": run.content.get("trace_id") or str(run.trace_id),
            "status": run.status,
            "evaluation_status": run.evaluation_status,
            "success": run.success,
            "timestamp": run.created_at,
            "transcript": text_of(turns),
            "transcript_object": turns,
        }
        return cls.model_validate(run.content | columns)


class PageOfRuns(BaseModel):
    """One page of a list; `next` and `previous` are addresses, null at the ends."""

    count: int
    next: str | None
    previous: str | None
    results: list[RunAnswer]


class ImproveOne(Body):
    """What to improve from one run."""

    prompt: str | None = Field(default=None, description="Another text than the agent's prompt; it can't be accepted.")
    agent: AgentId | None = None
    category_ids: list[Identifier] = Field(default_factory=list, max_length=100, description="Critical categories.")
    workflow_metric_ids: list[Identifier] = Field(
        default_factory=list, max_length=100, description="Only these metrics count; empty: all."
    )


class Improve(ImproveOne):
    """What to improve, from 1 to 3 runs of one agent."""

    run_ids: list[StrictInt] = Field(default_factory=list, max_length=1_000)


class ProgressId(BaseModel):
    """The job, to poll with."""

    progress_id: UUID


class Improvement(BaseModel):
    """A better prompt, and what was changed."""

    improved_prompt: str
    summary_of_changes: str


class ProgressAnswer(BaseModel):
    """Where a job is: queued, processing, completed, failed or cancelled."""

    status: str
    output: Improvement | None
    error: str | None
