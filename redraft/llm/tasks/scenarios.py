"""Deriving scenarios from a prompt and from real conversations under it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from pydantic import BaseModel, Field

from redraft.domain.evidence import Message
from redraft.domain.scenario_drafts import (
    MAX_GOAL_CHARS,
    MAX_NAME_CHARS,
    MAX_OPENING_CHARS,
    MAX_SITUATION_CHARS,
    ScenarioDraft,
)
from redraft.llm.port import LanguageModel, ModelAnswerUnusable, ModelRequest, Turn
from redraft.llm.tasks.drafts import DEFAULT_LANGUAGE
from redraft.llm.tasks.evidence import render_messages
from redraft.llm.tasks.fence import Fence, strip_fences
from redraft.llm.tasks.prompt import load
from redraft.llm.tasks.scenarios_private import mask_private
from redraft.llm.tasks.scenarios_small import small_scenarios
from redraft.llm.tasks.tokens import cut_parts, estimate_tokens, shares
from redraft.llm.tasks.variants_alike import SAME, likeness

DEFAULT_COUNT = 6

_FIELDS = ("name", "situation", "goal", "opening")


@dataclass(frozen=True, slots=True)
class ScenariosBrief:
    """What scenarios are derived from: the prompt, and real conversations under it, if there are any.

    `language` (BCP-47) tells in which country a phone number without country code is to be read. `context_tokens`
    bounds the conversations in the request.
    """

    prompt: str
    conversations: Sequence[Sequence[Message]] = ()
    count: int = DEFAULT_COUNT
    language: str = DEFAULT_LANGUAGE
    context_tokens: int = 50_000
    max_output_tokens: int = 16_384

    @property
    def transcripts(self) -> list[str]:
        """What was said: one text per conversation."""
        return ["\n".join(message.content for message in messages) for messages in self.conversations]


class ScenarioAnswer(BaseModel):
    """One scenario, as the model answers it."""

    name: str = Field(description="Three to six words.")
    situation: str = Field(description="Who the person is, what happened, which details they know.")
    goal: str = Field(description="What the person wants, in one sentence.")
    opening: str = Field(default="", description="The person's first message.")


class ScenariosAnswer(BaseModel):
    """The scenarios, as the model answers them."""

    scenarios: list[ScenarioAnswer] = Field(description="Different scenarios, the most frequent wish first.")


async def write_scenarios(model: LanguageModel, brief: ScenariosBrief) -> list[ScenarioDraft]:
    """Write one to `brief.count` distinct scenarios, in one call; for a small model code derives them, without a call.

    What identifies somebody is masked, and a first message copied from a conversation is left out. Raises ModelError;
    ModelAnswerUnusable when no scenario can be used.
    """
    if model.small:
        return await asyncio.to_thread(
            small_scenarios, brief.prompt, brief.conversations, brief.count, language=brief.language
        )
    answer = await model.generate(_request(brief))
    answered = cast(ScenariosAnswer, answer.parsed).scenarios[: 2 * brief.count]
    drafts = await asyncio.to_thread(_drafts, brief, answered)
    if not drafts:
        raise ModelAnswerUnusable(
            "NoUsableScenario", "The model wrote no scenario that can be used.", retryable=False, usage=answer.usage
        )
    return drafts


def _request(brief: ScenariosBrief) -> ModelRequest:
    pieces = _render(brief.conversations, brief.context_tokens)
    fence = Fence([brief.prompt, *pieces])
    task = load("scenarios")
    values = {
        "token": fence.token,
        "count": brief.count,
        "prompt": fence.wrap("assistant-prompt", brief.prompt),
        "conversations": [fence.wrap(f"conversation-{n}", piece) for n, piece in enumerate(pieces, start=1)],
    }
    return ModelRequest(
        system=task.render("system", **values),
        turns=(Turn("user", task.render("request", **values)),),
        output=ScenariosAnswer,
        max_output_tokens=brief.max_output_tokens,
    )


def _render(conversations: Sequence[Sequence[Message]], tokens: int) -> list[str]:
    written = [render_messages(messages) for messages in conversations]
    granted = shares([sum(map(estimate_tokens, lines)) for lines in written], tokens)
    return ["\n".join(cut_parts(lines, share)) for lines, share in zip(written, granted, strict=True)]


def _drafts(brief: ScenariosBrief, answered: list[ScenarioAnswer]) -> list[ScenarioDraft]:
    texts = [strip_fences(getattr(scenario, field)).strip() for scenario in answered for field in _FIELDS]
    masked = mask_private(brief.prompt, texts, brief.transcripts, brief.language)
    source: Literal["trace", "prompt"] = "trace" if brief.conversations else "prompt"
    drafts: list[ScenarioDraft] = []
    for at in range(0, len(masked), len(_FIELDS)):
        name, situation, goal, opening = masked[at : at + len(_FIELDS)]
        if not (name.text and situation.text and goal.text):
            continue
        draft = ScenarioDraft(
            name=name.text[:MAX_NAME_CHARS],
            situation=situation.text[:MAX_SITUATION_CHARS],
            goal=goal.text[:MAX_GOAL_CHARS],
            opening="" if opening.quoted else opening.text[:MAX_OPENING_CHARS],
            source=source,
        )
        if not any(_same(draft, other) for other in drafts):
            drafts.append(draft)
    return drafts[: brief.count]


def _same(one: ScenarioDraft, other: ScenarioDraft) -> bool:
    return likeness("", f"{one.situation} {one.goal}", f"{other.situation} {other.goal}") >= SAME
