"""Scenarios by code, for a model too small to write them: how conversations began, and what the prompt speaks of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from redraft.domain.evidence import Message
from redraft.domain.scenario_drafts import ScenarioDraft
from redraft.llm.tasks.faults import similarity, stems
from redraft.llm.tasks.scenarios_private import mask_private

MAX_OPENING = 300
_SAME = 0.6
_HELP = re.compile(
    r"\b(?:help|assist|support)s?\s+(?:\w+\s+)?(?:users?|customers?|callers?|guests?|clients?|people|them|visitors?|patients?)\s+"
    r"(?:to |with |in )?(?P<tasks>[^.\n:;]{3,200})",
    re.IGNORECASE,
)
_LIST = re.compile(r",\s*(?:and |or )?|\s+(?:and|or)\s+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_GREETING = re.compile(
    r"^(?:(?:hi|hello|hey|good (?:morning|afternoon|evening|day))(?: there)?[,.! ]+)+", re.IGNORECASE
)
_DETAILS = "Where it asks for details, make up plausible ones."
_GENERAL = ScenarioDraft(
    name="A first question",
    situation="You have heard of this service and do not know yet what it can do for you.",
    goal="You want to know what the service can do for you and what you have to give it for that.",
    opening="Hello, what can you help me with?",
)


def small_scenarios(
    prompt: str, conversations: Sequence[Sequence[Message]], count: int, *, language: str
) -> list[ScenarioDraft]:
    """Return one to `count` distinct scenarios. Written in English, except for what people said.

    From a conversation comes the person's first message, up to 300 characters of whole sentences, with numbers and
    addresses that identify somebody replaced; from the prompt, the tasks that it says it helps with.
    """
    drafts: list[ScenarioDraft] = []
    known: list[frozenset[str]] = []
    general = (_GENERAL.opening, _GENERAL)
    for wish, draft in (*_of_conversations(prompt, conversations, language), *_of_prompt(prompt), general):
        words = stems(wish)
        if all(similarity(words, other) < _SAME for other in known):
            drafts.append(draft)
            known.append(words)
    return drafts[:count]


def _of_conversations(
    prompt: str, conversations: Sequence[Sequence[Message]], language: str
) -> Iterator[tuple[str, ScenarioDraft]]:
    firsts = [next((m.content.strip() for m in messages if m.role == "user"), "") for messages in conversations]
    openings = [opening for first in firsts if (opening := _beginning(first))]
    for masked in mask_private(prompt, openings, openings, language):
        draft = ScenarioDraft(
            name=_title(masked.text),
            situation=f"You turn to the service and say: “{masked.text}” {_DETAILS}",
            goal="You want what you asked for in your first message to be done, or answered clearly.",
            opening=masked.text,
            source="trace",
        )
        yield masked.text, draft


def _of_prompt(prompt: str) -> Iterator[tuple[str, ScenarioDraft]]:
    for found in _HELP.finditer(prompt):
        for task in _LIST.split(found["tasks"]):
            wish = " ".join(task.split()).strip(" -*").removeprefix("their ")
            if 1 <= len(wish.split()) <= 12:
                draft = ScenarioDraft(
                    name=_title(wish),
                    situation=f"You need help with this: {wish}. {_DETAILS}",
                    goal=f"You want help with this: {wish}.",
                    opening=f"Hello, I need help with this: {wish}.",
                )
                yield wish, draft


def _beginning(text: str) -> str:
    """Return the first sentences of `text`, as many whole ones as fit; a longer first one is cut at a word."""
    flat = " ".join(text.split())
    kept = ""
    for sentence in _SENTENCE.split(flat):
        if len(kept) + len(sentence) + 1 > MAX_OPENING:
            break
        kept = f"{kept} {sentence}".strip()
    return kept or flat[:MAX_OPENING].rpartition(" ")[0]


def _title(text: str) -> str:
    words = re.findall(r"[\w'’-]+", _GREETING.sub("", text))[:7]
    return " ".join(words)[:80] or "A conversation"
