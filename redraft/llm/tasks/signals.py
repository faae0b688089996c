"""Signs of trouble in a conversation that code can see. Words are looked for in English, structure in any language."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from redraft.domain.evidence import Message
from redraft.llm.tasks.faults import stems


def _words(alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{alternatives})\b", re.IGNORECASE)


_ERROR = re.compile(
    r'^\W{0,3}error\b|"errors?"\s*:\s*(?!null|false|""|\[\]|\{\})|"(?:success|ok)"\s*:\s*false'
    r'|"status"\s*:\s*"(?:error|failed|failure)"|\bexception\b|\bnot found\b|\btimed? ?out\b',
    re.IGNORECASE,
)
_WRITES = re.compile(
    r"book|cancel|change|charge|create|delete|modify|move|order|pay|refund|reserve|send|update", re.IGNORECASE
)
_AGREES = _words(
    r"yes|yep|yeah|confirm\w*|go ahead|proceed|please do|sure|ok(?:ay)?|correct|sounds good|works for me"
    r"|agreed?|perfect"
)
_DONE = _words(
    r"successfully"
    r"|(?:has|have) been (?:\w+ )?(?:booked|cancel+ed|changed|confirmed|created|moved|processed|sent|updated)"
    r"|(?:is|are) (?:now )?(?:booked|cancel+ed|confirmed)"
    r"|i(?:'ve|’ve| have) (?:booked|cancel+ed|changed|moved|updated)"
)
_UNABLE = _words(r"unable to|cannot|can['’]t|not able to|not possible|unfortunately|not allowed")
_SORRY = _words(r"sorry|apologi[sz]e|apologies")
_UPSET = _words(
    r"already (?:told|said|gave)|as i said|not what i|that['’]?s not|that is not|wrong|frustrat\w+|ridiculous|useless"
    r"|disappoint\w+|listen to me|still (?:not|waiting)|never mind|forget it"
)
_HUMAN = re.compile(r"transfer|escalat|human|handoff", re.IGNORECASE)


UNANSWERED = "The assistant did not answer the caller."
FAILED_UNNOTICED = "The assistant said that it was done although the tool had failed."
UNRESOLVED = frozenset({UNANSWERED, FAILED_UNNOTICED})


@dataclass(frozen=True, slots=True)
class Signal:
    """One sign of trouble: which dimension it lowers by how many points, why, and the messages that show it."""

    dimension: str
    points: int
    reason: str
    message_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool call with its result, if there was one."""

    at: int
    name: str
    arguments: str
    caller: Message
    result: Message | None

    @property
    def failed(self) -> bool:
        """Whether the result says that the call failed."""
        return self.result is not None and bool(_ERROR.search(self.result.content[:500]))

    @property
    def writes(self) -> bool:
        """Whether the tool's name says that it changes something."""
        return bool(_WRITES.match(self.name))

    @property
    def hands_over(self) -> bool:
        """Whether the tool passes the conversation on to a person."""
        return bool(_HUMAN.search(self.name))


def tool_uses(messages: Sequence[Message]) -> list[ToolUse]:
    """Return the tool calls of a conversation in order, each with its result."""
    uses = []
    for at, message in enumerate(messages):
        answers = [later for later in _until_next_turn(messages, at) if later.role == "tool"]
        for number, call in enumerate(message.tool_calls or ()):
            named = [answer for answer in answers if answer.tool_call_id and answer.tool_call_id == call.get("id")]
            result = named[0] if named else answers[number] if number < len(answers) else None
            uses.append(ToolUse(at, *_function(call), message, result))
    return uses


def signals(messages: Sequence[Message]) -> list[Signal]:
    """Return every sign of trouble, in the order of the conversation within each kind."""
    uses = tool_uses(messages)
    found: list[Signal] = []
    for check in (_unanswered, _empty, _repeated, _many_questions, _sorry, _unable, _upset):
        found += check(messages)
    for look in (_errors, _same_input, _unconfirmed, _unfounded):
        found += look(messages, uses)
    return found


def says_done(messages: Sequence[Message]) -> Message | None:
    """Return the last message of the assistant that says something was done."""
    said = (message for message in reversed(messages) if message.role == "assistant" and _DONE.search(message.content))
    return next(said, None)


def _unanswered(messages: Sequence[Message]) -> Iterator[Signal]:
    """A user's turn with no word of the assistant before the next one; at the end, only a question."""
    for at, message in enumerate(messages):
        if message.role != "user" or not message.content.strip():
            continue
        replies = _until_next_turn(messages, at)
        if any(reply.role == "assistant" and (reply.content.strip() or reply.tool_calls) for reply in replies):
            continue
        if at + len(replies) + 1 == len(messages) and not message.content.rstrip().endswith("?"):
            continue  # the caller had the last word, or hung up
        yield Signal("helpfulness", 2, UNANSWERED, (message.id,))


def _empty(messages: Sequence[Message]) -> Iterator[Signal]:
    for message in messages:
        if message.role == "assistant" and not message.content.strip() and not message.tool_calls:
            yield Signal("helpfulness", 2, "The assistant said nothing in its turn.", (message.id,))


def _repeated(messages: Sequence[Message]) -> Iterator[Signal]:
    """The same words again, in one of the assistant's next two messages."""
    said = [message for message in messages if message.role == "assistant" and len(message.content) >= 20]
    for at, message in enumerate(said):
        for earlier in said[max(0, at - 2) : at]:
            if _alike(earlier.content, message.content):
                yield Signal("helpfulness", 1, "The assistant repeated the same answer.", (earlier.id, message.id))
                break


def _many_questions(messages: Sequence[Message]) -> Iterator[Signal]:
    for message in messages:
        if message.role == "assistant" and message.content.count("?") >= 3:
            yield Signal("tone", 1, "The assistant asked for several things at once.", (message.id,))


def _sorry(messages: Sequence[Message]) -> Iterator[Signal]:
    sorry = [message.id for message in messages if message.role == "assistant" and _SORRY.search(message.content)]
    if len(sorry) >= 3:
        yield Signal("tone", 1, "The assistant apologised again and again.", tuple(sorry))


def _unable(messages: Sequence[Message]) -> Iterator[Signal]:
    """Refusals: what the caller wanted was not done, rightly or not."""
    unable = [message.id for message in messages if message.role == "assistant" and _UNABLE.search(message.content)]
    if len(unable) >= 2:
        yield Signal("helpfulness", 1, "Several wishes of the caller were refused.", tuple(unable))


def _upset(messages: Sequence[Message]) -> Iterator[Signal]:
    for message in messages:
        if message.role == "user" and _UPSET.search(message.content):
            yield Signal("tone", 1, "The caller was not content with what the assistant said.", (message.id,))


def _errors(messages: Sequence[Message], uses: Sequence[ToolUse]) -> Iterator[Signal]:
    for use in uses:
        if use.failed and use.result:
            later = next((other for other in uses if other.at > use.at and other.name == use.name), None)
            points = 1 if later and not later.failed else 2
            yield Signal(
                "tool_usage", points, "The assistant did not check the input before it called a tool.", (use.result.id,)
            )
            told = [message for message in _until_next_turn(messages, use.at) if _DONE.search(message.content)]
            if use.writes and not later and told:
                yield Signal("accuracy", 3, FAILED_UNNOTICED, (use.result.id, told[0].id))


def _same_input(messages: Sequence[Message], uses: Sequence[ToolUse]) -> Iterator[Signal]:
    seen: dict[tuple[str, str], ToolUse] = {}
    for use in uses:
        if earlier := seen.get((use.name, use.arguments)):
            reason = "The assistant called the same tool with the same input again."
            yield Signal("tool_usage", 1, reason, (earlier.caller.id, use.caller.id))
        seen[use.name, use.arguments] = use


def _unconfirmed(messages: Sequence[Message], uses: Sequence[ToolUse]) -> Iterator[Signal]:
    """A change without a yes in the user's last turn before it."""
    for use in uses:
        said = next((message for message in reversed(messages[: use.at]) if message.role == "user"), None)
        if use.writes and said and not _AGREES.search(said.content):
            reason = "The assistant did not ask for confirmation before it changed something."
            yield Signal("accuracy", 1, reason, (said.id, use.caller.id))


def _unfounded(messages: Sequence[Message], uses: Sequence[ToolUse]) -> Iterator[Signal]:
    """Where tools exist, saying that something was done although none of them did anything."""
    if not uses or any(use.writes and not use.failed for use in uses) or any(use.hands_over for use in uses):
        return
    if claim := says_done(messages):
        yield Signal("accuracy", 2, "The assistant said that it was done although no tool had done it.", (claim.id,))


def _until_next_turn(messages: Sequence[Message], at: int) -> list[Message]:
    """Return what follows the message at `at` until the user's next turn."""
    following = []
    for message in messages[at + 1 :]:
        if message.role == "user":
            break
        following.append(message)
    return following


def _alike(one: str, other: str) -> bool:
    if not stems(one) or len(stems(one) & stems(other)) < 0.8 * max(len(stems(one)), len(stems(other))):
        return False
    return SequenceMatcher(None, one[:2_000], other[:2_000]).ratio() >= 0.85


def _function(call: dict[str, Any]) -> tuple[str, str]:
    """Return name and input of a tool call in the OpenAI chat format, or what comes closest."""
    function = call.get("function")
    source = function if isinstance(function, dict) else call
    arguments = source.get("arguments", "")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, sort_keys=True, default=str)
    return str(source.get("name", "")), text
