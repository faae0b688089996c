"""The persona's side of a trial: what its model is asked, and how a slip of the simulator is told from a message."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from redraft.llm.port import ModelRequest, Turn
from redraft.llm.tasks.fence import Fence, strip_fences
from redraft.llm.tasks.prompt import load
from redraft.llm.tasks.simulate_agent import call_seed
from redraft.llm.tasks.simulate_brief import FaultCode, Line, TrialBrief, TrialLimits
from redraft.llm.tasks.tokens import BYTES_PER_TOKEN, cut_text

PERSONA_BYTES = 4_000
SITUATION_BYTES = 2_000
GOAL_BYTES = 1_000

_REPEATED_WORDS = 4
"""A shorter message, such as “yes please”, may well be said twice."""

_I_AM_AI = (
    r"\b(?:i['’]?m|i am|as) (?:just |only |actually )?an? (?:ai|artificial intelligence|(?:large )?language model|"
    r"chat ?bot|(?:ai|virtual|digital|automated) (?:assistant|agent|model|language model))\b"
    r"(?! (?:engineer|researcher|developer|student|expert|consultant|company|startup))"
)
_SERVES = (
    r"\bhow (?:can|may|might) i (?:help|assist|be of (?:help|service|assistance to))(?: you)?\b|"
    r"\b(?:i['’]?m|i am) (?:just |always )?here to (?:help|assist)\b|"
    r"\bis there (?:anything|something) else (?:that )?i can (?:help|assist|do)\b|"
    r"\bthank you for (?:contacting|calling|reaching out to) (?:us|our)\b"
)
_TWO_VOICES = r"^\s*(?:\**(?:ai |service |support )?(?:agent|assistant|bot|system)\**)\s*:"
_OUT_OF_ROLE = re.compile(f"{_I_AM_AI}|{_SERVES}|{_TWO_VOICES}", re.IGNORECASE | re.MULTILINE)
_OWN_LABEL = re.compile(r"^\s*\**(?:user|customer|caller|persona|person|me)\**\s*:\s*", re.IGNORECASE)


class PersonaTurn(BaseModel):
    """What the persona's model answers."""

    status: Literal["continue", "goal_reached", "gave_up"] = Field(description="Whether this person goes on.")
    message: str = Field(description="This person's next message.")


def persona_request(brief: TrialBrief, transcript: Sequence[Line], limits: TrialLimits) -> ModelRequest:
    """Return the request for the persona's next message."""
    scenario = brief.scenario
    persona = cut_text(f"{brief.persona.name}\n{brief.persona.description}", PERSONA_BYTES // BYTES_PER_TOKEN)
    situation, goal = (
        cut_text(scenario.situation, SITUATION_BYTES // BYTES_PER_TOKEN),
        cut_text(scenario.goal, GOAL_BYTES // BYTES_PER_TOKEN),
    )
    said = render_transcript(transcript, limits)
    fence = Fence([persona, situation, goal, said])
    task = load("simulate_persona")
    request = task.render(
        "request",
        persona=fence.wrap("person", persona),
        situation=fence.wrap("situation", situation),
        goal=fence.wrap("goal", goal),
        conversation=fence.wrap("conversation", said) if said else "",
    )
    return ModelRequest(
        system=task.render("system", token=fence.token, language=brief.language_tag),
        turns=(Turn("user", request),),
        output=PersonaTurn,
        max_output_tokens=limits.persona_tokens,
        seed=call_seed(brief.seed, "persona", len(transcript)),
    )


def render_transcript(transcript: Sequence[Line], limits: TrialLimits) -> str:
    """Write a conversation for a model, each message in about as many bytes as `limits` say.

    Lines that continue a message are indented, so that no message can pretend to be another one.
    """
    written = []
    for number, line in enumerate(transcript, start=1):
        speaker = "person" if line.role == "persona" else "agent"
        indented = "\n    ".join(line.content.splitlines())
        written.append(f"[{number}] {speaker}: {cut_text(indented, limits.bytes_of(line.role) // BYTES_PER_TOKEN)}")
    return "\n".join(written)


def clean_message(text: str) -> str:
    """Return a persona's message without delimiter lines, its own label and surrounding quotation marks."""
    message = _OWN_LABEL.sub("", strip_fences(text).strip(), count=1).strip()
    if len(message) > 1 and message[0] == message[-1] == '"' and '"' not in message[1:-1]:
        message = message[1:-1].strip()
    return message


def find_fault(message: str, transcript: Sequence[Line]) -> FaultCode | None:
    """Tell what is wrong with a persona's next message, if anything.

    Breaking role is recognised in English: the person speaks as the AI, serves the agent, or writes both sides. A
    repetition in an answer to a repetition is no fault of the persona (`is_stuck`).
    """
    if not message:
        return "persona_empty"
    if _OUT_OF_ROLE.search(message):
        return "persona_role"
    if _repeats(message, transcript):
        return "persona_loop"
    return None


def is_stuck(transcript: Sequence[Line]) -> bool:
    """Tell whether the agent's last answer only repeats an earlier one, word for word."""
    said = [_words(line.content) for line in transcript if line.role == "agent"]
    return len(said) > 1 and said[-1] in said[:-1]


def _repeats(message: str, transcript: Sequence[Line]) -> bool:
    words = _words(message)
    if len(words) < _REPEATED_WORDS:
        return False
    own = [_words(line.content) for line in transcript if line.role == "persona"]
    heard = [_words(line.content) for line in transcript if line.role == "agent"]
    return words in own or words in heard[-1:]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
