"""Which settings and conditions fit an action, and who may set a budget."""

from __future__ import annotations

from decimal import Decimal

from pydantic.alias_generators import to_camel
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.access import Scope
from redraft.domain.errors import Kind, RedraftError, invalid
from redraft.domain.personas import load_personas
from redraft.domain.schedules.records import Action, ActionSettings, Conditions

_SETTINGS: dict[str, frozenset[str]] = {
    "audit": frozenset({"sample_size"}),
    "proposal": frozenset({"sample_size", "language"}),
    "optimization": frozenset({"sample_size", "mode", "variant_count", "intent", "persona_ids", "max_cost_usd"}),
}


def settings_of_action(action: str) -> frozenset[str]:
    """Return the names of the settings that an action reads."""
    return _SETTINGS[action]


async def check_settings(session: AsyncSession, action: Action, settings: ActionSettings) -> None:
    """Refuse settings of another action, and personas that are not there. Raises INVALID naming the field."""
    for name in sorted(settings.model_fields_set - _SETTINGS[action]):
        owner = next(each for each, names in _SETTINGS.items() if name in names)
        raise invalid(f"settings.{to_camel(name)}", f"is a setting of the action {owner}; this schedule's is {action}")
    if action == "audit" and settings.sample_size == 0:
        raise invalid("settings.sampleSize", "must be at least 1: a schedule that audits has nothing else to do")
    if settings.persona_ids:
        try:
            await load_personas(session, [str(persona_id) for persona_id in settings.persona_ids])
        except RedraftError as error:
            raise invalid("settings.personaIds", error.message.partition(": ")[2]) from error


def check_conditions(action: Action, conditions: Conditions) -> None:
    """Refuse conditions for an action that has none. Raises INVALID naming the field."""
    if action == "audit" and conditions.model_fields_set:
        name = min(conditions.model_fields_set)
        raise invalid(f"when.{to_camel(name)}", "a schedule that audits does so each time; it has no conditions")


def check_budget_right(scope: Scope, before: Decimal | None, after: Decimal | None) -> None:
    """Refuse a change of a schedule's budget by anybody but an administrator. Raises FORBIDDEN."""
    if before != after and not scope.includes(Scope.ADMIN):
        raise RedraftError(
            Kind.FORBIDDEN,
            "PERMISSION_DENIED",
            f"budgetUsd: the budget of a schedule needs the scope {Scope.ADMIN}; the credential has {scope}",
        )
