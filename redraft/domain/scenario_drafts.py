"""Situations that personas bring to an agent, before they are stored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from redraft.domain.scenario_checks import MAX_CHECKS, ScenarioCheck

MAX_NAME_CHARS = 120
MAX_SITUATION_CHARS = 2_000
MAX_GOAL_CHARS = 1_000
MAX_OPENING_CHARS = 1_000

Text = StringConstraints(strip_whitespace=True, min_length=1)


class ScenarioDraft(BaseModel):
    """A situation that a persona brings to the agent.

    * `situation`: what is the case, told to the persona.
    * `goal`: what the persona wants; reached or not is what task completion means.
    * `opening`: the persona's first message word for word; empty = the persona model writes it.
    * `checks`: with any, they alone decide task completion.
    * `source`: prompt, trace or manual.
    """

    model_config = ConfigDict(frozen=True)

    name: Annotated[str, Text, Field(max_length=MAX_NAME_CHARS)]
    situation: Annotated[str, Text, Field(max_length=MAX_SITUATION_CHARS)]
    goal: Annotated[str, Text, Field(max_length=MAX_GOAL_CHARS)]
    opening: Annotated[str, StringConstraints(strip_whitespace=True), Field(max_length=MAX_OPENING_CHARS)] = ""
    checks: Annotated[list[ScenarioCheck], Field(max_length=MAX_CHECKS)] = []
    source: Literal["prompt", "trace", "manual"] = "prompt"
