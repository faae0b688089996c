"""The form of a schedule: from fields that people fill in to the core's models, and back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar, get_args
from uuid import UUID

from pydantic import BaseModel, ValidationError

from console.forms import Form
from redraft.domain.amounts import usd_of
from redraft.domain.errors import invalid
from redraft.domain.schedules.changes import ScheduleDraft, ScheduleUpdate
from redraft.domain.schedules.checks import settings_of_action
from redraft.domain.schedules.records import (
    Action,
    ActionSettings,
    Conditions,
    Interval,
    Timing,
    conditions_of,
    settings_of,
    timing_of,
)
from redraft.store.tables import Schedule

M = TypeVar("M", bound=BaseModel)
UNITS = {"minutes": 60, "hours": 3_600, "days": 86_400}
ACTIONS: tuple[Action, ...] = get_args(Action)
_GREATEST_NAME = 255


def draft_of(form: Form, schedule_id: UUID) -> ScheduleDraft:
    """Return the schedule that a form asks for. Raises INVALID naming the field."""
    action = next((each for each in ACTIONS if each == form.text("action")), None)
    if action is None:
        raise invalid("action", f"choose one of {', '.join(ACTIONS)}")
    prompt = form.ids("prompt")
    if not prompt:
        raise invalid("prompt", "choose one")
    return ScheduleDraft(
        id=schedule_id,
        prompt_id=prompt[0],
        action=action,
        timing=_model(Timing, timing_in(form)),
        name=name_in(form),
        settings=settings_in(form, action),
        conditions=conditions_in(form, action),
        budget_usd=_usd(form, "budget_usd"),
        paused=form.flag("paused"),
    )


def update_of(form: Form, schedule: Schedule, *, budget: bool) -> ScheduleUpdate:
    """Return the change that a form asks for; `budget`: the form has one. Raises INVALID naming the field."""
    action: Action = schedule.action  # type: ignore[assignment]  # a check constraint says so
    return ScheduleUpdate(
        name=name_in(form),
        timing=timing_in(form),
        settings=settings_in(form, action),
        conditions=None if action == "audit" else conditions_in(form, action),
        budget=budget,
        budget_usd=_usd(form, "budget_usd") if budget else None,
        if_match=_number(form, "revision"),
    )


def name_in(form: Form) -> str:
    """Return the name. Raises INVALID for one that is too long or can't be read."""
    name = form.text("name").strip()
    if len(name) > _GREATEST_NAME or not name.isprintable():
        raise invalid("name", f"give at most {_GREATEST_NAME} printable characters")
    return name


def timing_in(form: Form) -> dict[str, Any]:
    """Return the fields of the timing that are given; a kind that the form does not know stays as it is."""
    given: dict[str, Any] = {}
    kind = form.text("kind")
    if kind == "cron":
        given["cron"] = tuple(line.strip() for line in form.text("cron").split("\n") if line.strip())
        given["time_zone"] = form.text("time_zone").strip() or "UTC"
    elif kind == "interval":
        every = _number(form, "every")
        if every is None or form.text("unit") not in UNITS:
            raise invalid("every", "give a number and choose minutes, hours or days")
        given["interval"] = Interval(every_s=every * UNITS[form.text("unit")])
    elif kind:
        raise invalid("kind", "choose one of the ways to say when")
    if (jitter := _number(form, "jitter_minutes")) is not None:
        given["jitter_s"] = 60 * jitter
    if (window := _number(form, "catchup_hours")) is not None:
        given["catchup_window_s"] = 3_600 * window
    return given


def settings_in(form: Form, action: Action) -> ActionSettings:
    """Return the settings that are given and that the action reads."""
    hypothesis = form.text("hypothesis").strip()
    given: dict[str, Any] = {
        "sample_size": _number(form, "sample_size"),
        "language": form.text("language").strip(),
        "mode": form.text("mode") or None,
        "variant_count": _number(form, "variant_count"),
        "intent": {"hypothesis": hypothesis} if hypothesis else None,
        "max_cost_usd": _usd(form, "max_cost_usd"),
    }
    read = settings_of_action(action)
    return _model(ActionSettings, {name: value for name, value in given.items() if value is not None and name in read})


def conditions_in(form: Form, action: Action) -> Conditions:
    """Return the conditions that are given; what audits has none."""
    if action == "audit":
        return Conditions()
    score = form.text("mean_score_below").strip()
    given: dict[str, Any] = {
        "min_new_audits": _number(form, "min_new_audits"),
        "mean_score_below": score or None,
        "success_worse_than_previous": form.flag("success_worse_than_previous"),
        "nothing_open": form.flag("nothing_open"),
    }
    return _model(Conditions, given)


def fields_of(schedule: Schedule) -> dict[str, str]:
    """Return a schedule as the form's fields."""
    timing, settings, conditions = timing_of(schedule), settings_of(schedule), conditions_of(schedule)
    every, unit = _every(timing.interval) if timing.interval else (1, "days")
    shown: dict[str, Any] = {
        "name": schedule.name,
        "action": schedule.action,
        "kind": "cron" if timing.cron else "interval" if timing.interval and every else "",
        "cron": "\n".join(timing.cron),
        "time_zone": timing.time_zone,
        "every": every,
        "unit": unit,
        "jitter_minutes": timing.jitter_s // 60 if timing.jitter_s % 60 == 0 else "",
        "catchup_hours": timing.catchup_window_s // 3_600 if timing.catchup_window_s % 3_600 == 0 else "",
        "sample_size": settings.sample_size,
        "language": settings.language,
        "mode": settings.mode,
        "variant_count": settings.variant_count,
        "hypothesis": settings.intent.get("hypothesis", ""),
        "max_cost_usd": _plain(settings.max_cost_usd),
        "min_new_audits": _plain(conditions.min_new_audits),
        "mean_score_below": _plain(conditions.mean_score_below),
        "success_worse_than_previous": "yes" if conditions.success_worse_than_previous else "",
        "nothing_open": "yes" if conditions.nothing_open else "",
        "budget_usd": _plain(schedule.budget_usd),
    }
    return {name: str(value) for name, value in shown.items()}


def _every(interval: Interval) -> tuple[int, str]:
    """Return an interval in the largest unit that has no remainder; 0 for one that the form can't say."""
    unit = next((name for name in ("days", "hours", "minutes") if interval.every_s % UNITS[name] == 0), "")
    return (0, "days") if not unit or interval.offset_s else (interval.every_s // UNITS[unit], unit)


def _plain(value: Decimal | float | None) -> str:
    if value is None:
        return ""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else f"{value:g}"


def _number(form: Form, name: str) -> int | None:
    text = form.text(name).strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise invalid(name, "give a whole number")
    return int(text)


def _usd(form: Form, name: str) -> Decimal | None:
    text = form.text(name).strip()
    return usd_of(name, text) if text else None


def _model(model: type[M], values: dict[str, Any]) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise invalid(str(first["loc"][0]), first["msg"][:1].lower() + first["msg"][1:]) from error
