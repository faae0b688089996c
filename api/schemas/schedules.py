"""Schedules in the Optimizations API."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from api.schemas.accounts import Usd
from api.schemas.camel import CamelBody, body_id
from api.schemas.common import Language, Moment
from api.schemas.optimizations import GREATEST_PERSONAS, Intent
from redraft.domain.optimizations.opening import GREATEST_VARIANT_COUNT
from redraft.domain.schedules.changes import ScheduleDraft, ScheduleUpdate
from redraft.domain.schedules.records import (
    DEFAULT_SAMPLE,
    GREATEST_SAMPLE,
    Action,
    ActionSettings,
    Calendar,
    Conditions,
    Interval,
    Timing,
)
from redraft.domain.schedules.revising import GREATEST_NOTE
from redraft.domain.schedules.timing import GREATEST_CATCHUP_S, GREATEST_EXPRESSIONS, GREATEST_JITTER_S, LEAST_CATCHUP_S

_PROMPT = "prompt_01890a5d-ac96-774b-bcce-b302099a8057"
_PERSONA = "persona_00000000-0000-4000-8000-000000000001"
_TIMING = {"jitter_seconds": "jitter_s", "catchup_window_seconds": "catchup_window_s", "time_zone": "time_zone"}


Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=255)]
Cron = Annotated[
    list[Annotated[str, StringConstraints(max_length=500)]],
    Field(
        min_length=1,
        max_length=GREATEST_EXPRESSIONS,
        description="Five fields each: minute, hour, day of month, month, day of week. All of them have to match.",
        examples=[["0 9 * * mon-fri"]],
    ),
]
Part = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Seconds = Annotated[int, Field(ge=0, le=10**9, strict=True)]
PersonaId = Annotated[str, StringConstraints(max_length=100), Field(examples=[_PERSONA])]
PauseNote = Annotated[str, StringConstraints(strip_whitespace=True, max_length=GREATEST_NOTE)]


class IntervalPart(CamelBody):
    """Every so many seconds since 1970, shifted by an offset."""

    every_seconds: Seconds = Field(examples=[86_400])
    offset_seconds: Seconds = 0


class CalendarPart(CamelBody):
    """Times that match every field; a field is written as in cron."""

    minute: Part = Field(default="0", examples=["30"])
    hour: Part = Field(default="0", examples=["9"])
    day_of_month: Part = Field(default="*", examples=["1-7"])
    month: Part = Field(default="*", examples=["*"])
    day_of_week: Part = Field(default="*", examples=["mon"])
    year: Part = Field(default="*", examples=["*"])


class SettingsPart(CamelBody):
    """How a run works. `sampleSize` is for every action, `language` for proposals, the others for experiments."""

    sample_size: int | None = Field(
        default=None,
        ge=0,
        le=GREATEST_SAMPLE,
        strict=True,
        description=f"Unaudited traces of the current version to audit first, {DEFAULT_SAMPLE} by default.",
    )
    language: Language | None = None
    mode: Literal["exploratory", "validation"] | None = None
    variant_count: int | None = Field(default=None, ge=1, le=GREATEST_VARIANT_COUNT, strict=True)
    intent: Intent | None = None
    persona_ids: list[PersonaId] | None = Field(default=None, max_length=GREATEST_PERSONAS)
    max_cost_usd: Decimal | None = Field(default=None, gt=0, le=1_000_000, description="A hard stop of each, in USD.")

    def settings(self) -> ActionSettings:
        """Return what is given. Raises INVALID for what is no id."""
        given: dict[str, Any] = self.model_dump(exclude_none=True, exclude={"persona_ids", "intent"})
        if self.intent is not None:
            given["intent"] = self.intent.model_dump(by_alias=True)
        if self.persona_ids is not None:
            ids = [body_id("persona", "settings.personaIds", each) for each in self.persona_ids]
            given["persona_ids"] = tuple(dict.fromkeys(ids))
        return ActionSettings.model_validate(given)


class WhenPart(CamelBody):
    """What has to be true for a run to start something."""

    min_new_audits: int | None = Field(
        default=None, ge=1, le=10_000, strict=True, description="Completed audits since it last started something."
    )
    mean_score_below: float | None = Field(
        default=None,
        gt=1,
        le=5,
        strict=True,
        allow_inf_nan=False,
        description="Mean overall score of the audits, 1 to 5.",
        examples=[3.5],
    )
    success_worse_than_previous: bool | None = Field(
        default=None, strict=True, description="The live success rate is worse than the previous version's."
    )
    nothing_open: bool | None = Field(
        default=None, strict=True, description="The prompt has no open proposal or optimization; true by default."
    )

    def conditions(self) -> Conditions:
        """Return what is given."""
        return Conditions.model_validate(self.model_dump(exclude_none=True))


class _Fields(CamelBody):
    """What a schedule is made of, and can be changed in."""

    name: Name | None = None
    cron: Cron | None = None
    interval: IntervalPart | None = None
    calendar: list[CalendarPart] | None = Field(default=None, min_length=1, max_length=GREATEST_EXPRESSIONS)
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = Field(
        default=None, description="IANA name of the clock that cron and calendar follow.", examples=["Europe/Berlin"]
    )
    jitter_seconds: int | None = Field(default=None, ge=0, le=GREATEST_JITTER_S, strict=True)
    catchup_window_seconds: int | None = Field(default=None, ge=LEAST_CATCHUP_S, le=GREATEST_CATCHUP_S, strict=True)
    overlap: Literal["skip"] | None = Field(default=None, description="There is no other: never two runs at once.")
    settings: SettingsPart | None = None
    when: WhenPart | None = None
    budget_usd: Usd | None = Field(default=None, description="Per calendar month, UTC; needs the scope admin.")
    paused: bool | None = Field(default=None, strict=True)

    def timing(self) -> dict[str, Any]:
        """Return what is given of the timing, by the core's names."""
        given: dict[str, Any] = {
            core: value for name, core in _TIMING.items() if (value := getattr(self, name)) is not None
        }
        if self.cron is not None:
            given["cron"] = tuple(self.cron)
        if self.interval is not None:
            given["interval"] = Interval(every_s=self.interval.every_seconds, offset_s=self.interval.offset_seconds)
        if self.calendar is not None:
            given["calendar"] = tuple(Calendar.model_validate(part.model_dump()) for part in self.calendar)
        return given


class ScheduleCreate(_Fields):
    """A schedule to make: either cron, interval or calendar."""

    prompt_id: str = Field(max_length=100, examples=[_PROMPT])
    action: Action

    def draft(self, schedule_id: UUID) -> ScheduleDraft:
        """Return the schedule to make. Raises INVALID for what is no id."""
        return ScheduleDraft(
            id=schedule_id,
            prompt_id=body_id("prompt", "promptId", self.prompt_id),
            action=self.action,
            timing=Timing.model_validate(self.timing()),
            name=self.name or "",
            settings=self.settings.settings() if self.settings else ActionSettings(),
            conditions=self.when.conditions() if self.when else Conditions(),
            budget_usd=self.budget_usd,
            paused=bool(self.paused),
        )


class SchedulePatch(_Fields):
    """What to change; what is absent stays. `settings` and `when` are replaced as a whole; budgetUsd null: none."""

    prompt_id: str | None = Field(default=None, max_length=100, description="Only to be sent back as it was read.")
    action: Action | None = Field(default=None, description="Only to be sent back as it was read.")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key in {"budgetUsd", "budget_usd"}}

    def update(self, if_match: int | None) -> ScheduleUpdate:
        """Return the change. Raises INVALID for what is no id."""
        return ScheduleUpdate(
            name=self.name,
            timing=self.timing(),
            settings=None if self.settings is None else self.settings.settings(),
            conditions=None if self.when is None else self.when.conditions(),
            budget="budget_usd" in self.model_fields_set,
            budget_usd=self.budget_usd,
            paused=self.paused,
            prompt_id=None if self.prompt_id is None else body_id("prompt", "promptId", self.prompt_id),
            action=self.action,
            if_match=if_match,
        )


class SchedulePause(CamelBody):
    """Why to pause."""

    note: PauseNote = ""


class ScheduleBackfill(CamelBody):
    """Of which time the due times are to be run now, both ends included."""

    start_at: Moment
    end_at: Moment
