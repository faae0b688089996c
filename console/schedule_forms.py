"""The form of a schedule: from fields that people fill in to the core's models, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar, get_args
from uuid import UUID

from pydantic import BaseModel, ValidationError

from api.schemas.optimizations import Intent
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
Shown = Mapping[str, str]
"""What a form showed in its fields when it was opened."""
UNITS = {"minutes": 60, "hours": 3_600, "days": 86_400}
ACTIONS: tuple[Action, ...] = get_args(Action)
_GREATEST_NAME = 255
_AREAS = frozenset({"cron", "hypothesis", "target_improvements"})


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
        timing=_model(Timing, _timing_in(form, {})),
        name=_name_in(form),
        settings=_settings_in(form, action, None, {}),
        conditions=_conditions_in(form, action, None, {}),
        budget_usd=_usd(form, "budget_usd"),
        paused=form.flag("paused"),
    )


def update_of(form: Form, schedule: Schedule, *, budget: bool) -> ScheduleUpdate:
    """Return the change that a form asks for: what is as it was shown stays as it is stored, to the last digit.

    `budget`: the form has one. Raises INVALID naming the field.
    """
    action: Action = schedule.action  # type: ignore[assignment]  # a check constraint says so
    shown, before, waited = fields_of(schedule), settings_of(schedule), conditions_of(schedule)
    settings, conditions = _settings_in(form, action, before, shown), _conditions_in(form, action, waited, shown)
    budget = budget and _typed(form, shown, "budget_usd")
    return ScheduleUpdate(
        name=_name_in(form) if _typed(form, shown, "name") else None,
        timing=_timing_in(form, shown),
        settings=None if settings == before else settings,
        conditions=None if conditions == waited else conditions,
        budget=budget,
        budget_usd=_usd(form, "budget_usd") if budget else None,
        if_match=_number(form, "revision"),
    )


def _typed(form: Form, shown: Shown, *names: str) -> bool:
    """Return whether a field differs from what the form showed in it; a form for a new schedule showed nothing."""
    return any(form.text(name).strip() != shown.get(name, "").strip() for name in names)


def _name_in(form: Form) -> str:
    name = form.text("name").strip()
    if len(name) > _GREATEST_NAME or not name.isprintable():
        raise invalid("name", f"give at most {_GREATEST_NAME} printable characters")
    return name


def _timing_in(form: Form, shown: Shown) -> dict[str, Any]:
    """Return the fields of the timing that were typed; a kind that the form does not know stays as it is."""
    given: dict[str, Any] = {}
    kind = form.text("kind")
    if kind not in ("", "cron", "interval"):
        raise invalid("kind", "choose one of the ways to say when")
    if kind == "cron" and _typed(form, shown, "kind", "cron", "time_zone"):
        given["cron"] = tuple(_lines(form, "cron"))
        given["time_zone"] = form.text("time_zone").strip() or "UTC"
    elif kind == "interval" and _typed(form, shown, "kind", "every", "unit"):
        every = _number(form, "every")
        if every is None or form.text("unit") not in UNITS:
            raise invalid("every", "give a number and choose minutes, hours or days")
        given["interval"] = Interval(every_s=every * UNITS[form.text("unit")])
    for name, field, size in (("jitter_s", "jitter_minutes", 60), ("catchup_window_s", "catchup_hours", 3_600)):
        if _typed(form, shown, field) and (number := _number(form, field)) is not None:
            given[name] = size * number
    return given


def _settings_in(form: Form, action: Action, before: ActionSettings | None, shown: Shown) -> ActionSettings:
    """Return the settings that the action reads: as typed, else as before; an emptied field is the default."""
    read = set(settings_of_action(action))
    values = {} if before is None else before.model_dump(include=read)
    parsers: dict[str, Callable[[Form, str], Any]] = {
        "sample_size": _number,
        "language": lambda form, name: form.text(name).strip(),
        "mode": lambda form, name: form.text(name) or None,
        "variant_count": _number,
        "max_cost_usd": lambda form, name: _usd(form, name, zero=False),
    }
    for name in sorted(read & parsers.keys()):
        if _typed(form, shown, name):
            values[name] = parsers[name](form, name)
    if action == "optimization":
        values["intent"] = intent_in(form, values.get("intent", {}), shown)
        values["persona_ids"] = _personas_in(form, values.get("persona_ids", ()))
    return _model(ActionSettings, {name: value for name, value in values.items() if value is not None})


def intent_in(form: Form, before: dict[str, Any], shown: Shown) -> dict[str, Any]:
    """Return what should get better and what might help; the API's model says how much may be wished for."""
    given: dict[str, Any] = {}
    if _typed(form, shown, "hypothesis"):
        given["hypothesis"] = form.text("hypothesis").strip()
    if _typed(form, shown, "target_improvements"):
        given["target_improvements"] = _lines(form, "target_improvements")
    if not given:
        return before
    return before | _model(Intent, given).model_dump(by_alias=True, include=set(given))


def _personas_in(form: Form, before: tuple[UUID, ...]) -> tuple[UUID, ...]:
    """Return the personas that are ticked, those from before in their order."""
    ticked = dict.fromkeys(form.ids("persona_ids"))
    return (*(each for each in before if each in ticked), *(each for each in ticked if each not in before))


def _conditions_in(form: Form, action: Action, before: Conditions | None, shown: Shown) -> Conditions:
    """Return the conditions: as typed, else as before; what audits has none."""
    if action == "audit":
        return before or Conditions()
    values = {} if before is None else before.model_dump()
    if _typed(form, shown, "min_new_audits"):
        values["min_new_audits"] = _number(form, "min_new_audits")
    if _typed(form, shown, "mean_score_below"):
        values["mean_score_below"] = form.text("mean_score_below").strip() or None
    boxes = {name: form.flag(name) for name in ("success_worse_than_previous", "nothing_open")}
    return _model(Conditions, values | boxes)


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
        "target_improvements": "\n".join(
            " ".join(each.split()) for each in settings.intent.get("targetImprovements", ())
        ),
        "max_cost_usd": _plain(settings.max_cost_usd),
        "min_new_audits": _plain(conditions.min_new_audits),
        "mean_score_below": _plain(conditions.mean_score_below),
        "success_worse_than_previous": "yes" if conditions.success_worse_than_previous else "",
        "nothing_open": "yes" if conditions.nothing_open else "",
        "budget_usd": _plain(schedule.budget_usd),
    }
    return {name: _as_sent(name, str(value)) for name, value in shown.items()}


def _as_sent(name: str, text: str) -> str:
    """Return a text as a browser sends it back: its line ends are \\n in an area, and gone from a line."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if name in _AREAS else text.replace("\n", "")


def _lines(form: Form, name: str) -> list[str]:
    return [line.strip() for line in form.text(name).split("\n") if line.strip()]


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


def _usd(form: Form, name: str, *, zero: bool = True) -> Decimal | None:
    text = form.text(name).strip()
    return usd_of(name, text, zero=zero) if text else None


def _model(model: type[M], values: dict[str, Any]) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise invalid(str(first["loc"][0]), first["msg"][:1].lower() + first["msg"][1:]) from error
