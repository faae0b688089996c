"""Scenarios in the Optimizations API."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints

from api.rendering import tm
from api.schemas.camel import Camel, CamelBody, prefixed
from redraft.domain.scenario_checks import MAX_CHECKS, ScenarioCheck
from redraft.domain.scenario_drafts import (
    MAX_GOAL_CHARS,
    MAX_NAME_CHARS,
    MAX_OPENING_CHARS,
    MAX_SITUATION_CHARS,
    ScenarioDraft,
)
from redraft.store.tables import Scenario


def _text(greatest: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=greatest)


Name = Annotated[str, _text(MAX_NAME_CHARS)]
Situation = Annotated[str, _text(MAX_SITUATION_CHARS)]
Goal = Annotated[str, _text(MAX_GOAL_CHARS)]
Opening = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_OPENING_CHARS)]
Checks = Annotated[list[ScenarioCheck], Field(max_length=MAX_CHECKS)]


class ScenarioCreate(CamelBody):
    """A scenario to keep for a prompt."""

    name: Name
    situation: Situation = Field(description="What is the case, told to the persona.")
    goal: Goal = Field(description="What the persona wants; reached or not is what task completion means.")
    opening: Opening = Field(default="", description="The persona's first message; empty: the persona's model writes.")
    checks: Checks = Field(default_factory=list, description="With any, they alone decide task completion.")

    def draft(self) -> ScenarioDraft:
        """Return the scenario as experiments take it."""
        return ScenarioDraft(**self.model_dump(), source="manual")


class ScenarioPatch(CamelBody):
    """What to change; what is absent stays."""

    name: Name | None = None
    situation: Situation | None = None
    goal: Goal | None = None
    opening: Opening | None = None
    checks: Checks | None = None

    def onto(self, scenario: Scenario) -> ScenarioDraft:
        """Return the scenario with these changes."""
        kept = {field: getattr(scenario, field) for field in ScenarioDraft.model_fields}
        return ScenarioDraft.model_validate(kept | self.model_dump(exclude_none=True))


class ScenarioAnswer(Camel):
    """A situation that a persona brings to the agent."""

    id: str
    prompt_id: str
    name: str
    situation: str
    goal: str
    opening: str
    checks: list[ScenarioCheck]
    source: Literal["prompt", "trace", "manual"] = Field(description="Derived from the prompt, from a call, or yours.")
    created_at: str

    @classmethod
    def of(cls, scenario: Scenario) -> Self:
        """Render a scenario."""
        return cls(
            id=prefixed("scenario", scenario.id),
            prompt_id=prefixed("prompt", scenario.prompt_id),
            name=scenario.name,
            situation=scenario.situation,
            goal=scenario.goal,
            opening=scenario.opening,
            checks=[ScenarioCheck.model_validate(check) for check in scenario.checks],
            source=scenario.source,
            created_at=tm(scenario.created_at),
        )
