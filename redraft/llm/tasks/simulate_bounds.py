"""What a trial can take at most: said before anything is spent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from redraft.domain.checks.wording import MAX_PROMPT_BYTES
from redraft.domain.personas import PersonaCard
from redraft.domain.scenario_drafts import ScenarioDraft
from redraft.llm.port import LanguageModel, ModelRequest
from redraft.llm.tasks.judge_trial import judge_request
from redraft.llm.tasks.rules import MAX_CALLS
from redraft.llm.tasks.simulate_agent import agent_request, fill_variables
from redraft.llm.tasks.simulate_brief import Line, Speaker, TrialBrief, TrialLimits
from redraft.llm.tasks.simulate_persona import GOAL_BYTES, PERSONA_BYTES, SITUATION_BYTES, persona_request
from redraft.llm.tasks.simulate_persona_small import MAX_MESSAGES

_MARK_BYTES = 64
"""No mark of `cut_text` and no label of a message is longer."""

_ROOM_BYTES = 4_000


def greatest_calls_of_trial(max_turns: int, *, small: bool = False) -> int:
    """Return the most calls that one trial makes: persona and agent once a turn, and the judge.

    With a `small` model persona and judge are code, and the conversation is short.
    """
    return min(max_turns, MAX_MESSAGES) if small else 2 * max_turns + 1


def greatest_calls_of_writing(*, small: bool = False) -> int:
    """Return the most calls that scenarios (one) and variants take: two, or one a rule with a `small` model."""
    return 1 + (MAX_CALLS if small else 2)


def greatest_variant_bytes(original: str, max_prompt_bytes: int = MAX_PROMPT_BYTES) -> int:
    """Return how long a variant of `original` may be, in bytes as the agent reads it: variables filled in.

    Twice the original, or 4,000 bytes more: a variant that is longer is dropped, so that the cost of an experiment
    can be bounded before its variants exist.
    """
    size = len(fill_variables(original).encode())
    return max(min(max(2 * size, size + _ROOM_BYTES), max_prompt_bytes), size)


def longest_trial(
    model: LanguageModel, *, prompt_bytes: int, max_turns: int, limits: TrialLimits | None = None
) -> list[ModelRequest]:
    """Return the requests of the longest trial there can be.

    `prompt_bytes`: the longest prompt as the agent reads it (`greatest_variant_bytes`). Every message is as long as it
    may be.
    """
    limits = limits or TrialLimits.of(model)
    brief = _longest_brief(max_turns)
    requests: list[ModelRequest] = []
    lines: list[Line] = []
    for _ in range(min(max_turns, MAX_MESSAGES) if model.small else max_turns):
        if not model.small:
            requests.append(_padded(persona_request(brief, lines, limits), len(lines)))
        lines.append(_longest(limits, "persona"))
        requests.append(agent_request(brief, "x" * prompt_bytes, lines, limits))
        lines.append(_longest(limits, "agent"))
    if not model.small:
        requests.append(_padded(judge_request(brief, lines, "turn_limit", limits), len(lines)))
    return requests


def greatest_cost(model: LanguageModel, requests: Iterable[ModelRequest]) -> Decimal:
    """Return an upper bound of what requests cost, in USD: every byte a token, every answer all its tokens."""
    return sum((model.greatest_cost(request) for request in requests), Decimal(0))


def greatest_tokens(requests: Iterable[ModelRequest]) -> int:
    """Return an upper bound of the tokens of requests and their answers."""
    return sum(request.greatest_input_tokens + request.max_output_tokens for request in requests)


def _longest_brief(max_turns: int) -> TrialBrief:
    card = PersonaCard(id="", name="", description="x" * PERSONA_BYTES, created_at=datetime(2025, 1, 1, tzinfo=UTC))
    scenario = ScenarioDraft(name="x", situation="x" * SITUATION_BYTES, goal="x" * GOAL_BYTES)
    return TrialBrief(prompt="", persona=card, scenario=scenario, seed=0, max_turns=max_turns)


def _longest(limits: TrialLimits, role: Speaker) -> Line:
    return Line(role=role, content="x" * (limits.bytes_of(role) + _MARK_BYTES))


def _padded(request: ModelRequest, messages: int) -> ModelRequest:
    """Leave room for what cuts and labels may add: to each message, to persona, situation, goal and language."""
    return replace(request, system=request.system + "x" * (_MARK_BYTES * (messages + 5)))
