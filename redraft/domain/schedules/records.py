"""What a schedule is made of: the models behind the JSON columns of `Schedule`, and the words of its runs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from redraft.domain.optimizations.opening import GREATEST_VARIANT_COUNT, Mode
from redraft.store.tables import Schedule

Action = Literal["proposal", "optimization", "audit"]
Cause = Literal["schedule", "manual", "backfill"]
RunStatus = Literal["running", "started", "completed", "skipped", "failed"]
FINISHED = ("started", "completed", "skipped", "failed")
"""The states in which a run stays. See `ScheduleRun`."""

DEFAULT_SAMPLE = 10
GREATEST_SAMPLE = 100


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(_Part):
    """Every so many seconds since the epoch, shifted by an offset."""

    every_s: int
    offset_s: int = 0


class Calendar(_Part):
    """Times that match every field. A field is written as in cron; an absent one matches as its default does."""

    minute: str = "0"
    hour: str = "0"
    day_of_month: str = "*"
    month: str = "*"
    day_of_week: str = "*"
    year: str = "*"


class Timing(_Part):
    """When a schedule is due: by cron expressions, by an interval or by calendars, exactly one of the three."""

    cron: tuple[str, ...] = ()
    interval: Interval | None = None
    calendar: tuple[Calendar, ...] = ()
    time_zone: str = "UTC"
    jitter_s: int = 0
    catchup_window_s: int = 3_600


class ActionSettings(_Part):
    """How a run does its work. Each action reads its own part; all of them sample traces and audit them first.

    `sample_size`: unaudited traces of the current version that one run has audited at most; 0 = none. `language`: of
    a proposal's rationale. The others are those of an optimization; `persona_ids` are UUIDs without a prefix.
    """

    sample_size: int = Field(default=DEFAULT_SAMPLE, ge=0, le=GREATEST_SAMPLE)
    language: str = ""
    mode: Mode = "exploratory"
    variant_count: int = Field(default=3, ge=1, le=GREATEST_VARIANT_COUNT)
    intent: dict[str, Any] = {}
    persona_ids: tuple[UUID, ...] = ()
    max_cost_usd: Decimal | None = None


class Conditions(_Part):
    """What has to be true for a run to start something; all that are given have to be.

    `min_new_audits`: completed audits on the current version since the last run that started something.
    `mean_score_below`: mean overall score, 1..5, of the current version's audits. `success_worse_than_previous`: the
    anytime-valid comparison of live versions says worse. `nothing_open`: the prompt has no open proposal or
    optimization.
    """

    min_new_audits: int | None = Field(default=None, ge=1, le=10_000)
    mean_score_below: float | None = Field(default=None, gt=1, le=5)
    success_worse_than_previous: bool = False
    nothing_open: bool = True


def timing_of(schedule: Schedule) -> Timing:
    """Return when a schedule is due."""
    return Timing.model_validate(schedule.timing)


def settings_of(schedule: Schedule) -> ActionSettings:
    """Return how a schedule's runs do their work."""
    return ActionSettings.model_validate(schedule.settings)


def conditions_of(schedule: Schedule) -> Conditions:
    """Return what has to be true for a schedule's run to start something."""
    return Conditions.model_validate(schedule.conditions)
