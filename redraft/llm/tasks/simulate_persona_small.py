"""A persona by code, for a model too small to play one: it would answer as the assistant, or recite its task.

What the persona says is put together from the scenario, the same for every variant: the opening, then what the
situation says, told in the first person and in the persona's manner. Understood is English.
"""

from __future__ import annotations

import re

from redraft.domain.personas import BUILT_IN
from redraft.llm.tasks.simulate_brief import TrialBrief

MAX_MESSAGES = 3
"""The opening and two more: a small model keeps no longer thread."""

_FACTS = 2
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_DIRECTION = re.compile(r"\bmake up\b|[“”]|\bthe (?:service|agent|assistant) (?:asks|does|should|has)\b", re.IGNORECASE)
_ME = (
    r"\b(?P<before>to|for|with|at|from|of|about|on|tell|told|tells|give|gave|gives|ask|asked|call|called|send|sent|"
    r"charged?|promised|refused|helped?|let|left|makes?|made) you\b"
)
_FIRST_PERSON = (
    (re.compile(r"\byou are\b|\byou['’]re\b", re.IGNORECASE), "I am"),
    (re.compile(r"\byou were\b", re.IGNORECASE), "I was"),
    (re.compile(r"\byourself\b", re.IGNORECASE), "myself"),
    (re.compile(r"\byours\b", re.IGNORECASE), "mine"),
    (re.compile(r"\bYour\b"), "My"),
    (re.compile(r"\byour\b"), "my"),
    (re.compile(_ME, re.IGNORECASE), r"\g<before> me"),
    (re.compile(r"\byou\b", re.IGNORECASE), "I"),
)
_IMPATIENT, _CONFUSED, _DETAILED, _FRUSTRATED = (card.id for card in BUILT_IN)
_MANNERS = {
    _IMPATIENT: "{} Please be quick.",
    _CONFUSED: "Sorry, I am not sure what you mean. {}",
    _DETAILED: "{} Please confirm each detail to me.",
    _FRUSTRATED: "I have been through this before, and it is annoying. {}",
}


def small_messages(brief: TrialBrief) -> list[str]:
    """Return what the persona says, in order: two or three messages."""
    scenario = brief.scenario
    manner = _MANNERS.get(brief.persona.id, "{}")
    sentences = _SENTENCE.split(" ".join(scenario.situation.split()))
    facts = [first_person(sentence) for sentence in sentences if not _DIRECTION.search(sentence)]
    groups = [" ".join(facts[at : at + _FACTS]) for at in range(0, len(facts), _FACTS)] or ["What happens next?"]
    opening = scenario.opening or f"Hello. {first_person(scenario.goal)}"
    return [opening, *map(manner.format, groups[: MAX_MESSAGES - 1])]


def first_person(sentence: str) -> str:
    """Turn “You are Alex and want your table.” into “I am Alex and want my table.”"""
    for pattern, replacement in _FIRST_PERSON:
        sentence = pattern.sub(replacement, sentence)
    return sentence
