"""How evidence looks to a model: labelled, oldest first, within a budget of tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from redraft.domain.evidence import AuditedCall, Message
from redraft.llm.tasks.tokens import cut_parts, cut_text, estimate_tokens, shares

Label = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: `score` from 1 (bad) to 5 (good), why, and the messages that show it."""

    about: str
    score: int
    reason: str
    message_ids: tuple[str, ...] = ()


class Evidence(Protocol):
    """One conversation and what was found in it. Calls with audits are evidence, and so are runs."""

    @property
    def id(self) -> str:
        """What a citation of the whole piece refers to: an audit's or run's id."""
        ...

    @property
    def messages(self) -> Sequence[Message]:
        """The conversation, oldest message first."""
        ...

    @property
    def findings(self) -> Sequence[Finding]:
        """What was found."""
        ...

    @property
    def topics(self) -> Sequence[str]:
        """What a change can answer by name: what was found, and what was remarked on without a score."""
        ...

    def describe(self, label: Label) -> str:
        """Write the findings for a model; `label` turns a message id into the label it is shown with."""
        ...


@dataclass(frozen=True, slots=True)
class AuditEvidence:
    """An audited call as evidence."""

    call: AuditedCall

    @property
    def id(self) -> str:
        return self.call.audit_id

    @property
    def messages(self) -> Sequence[Message]:
        return self.call.messages

    @property
    def findings(self) -> Sequence[Finding]:
        return [
            Finding(name, score.score, score.reason, tuple(score.message_ids))
            for name, score in self.call.evaluation.dimensions.items()
        ]

    @property
    def topics(self) -> Sequence[str]:
        return [found.about for found in self.findings]

    def describe(self, label: Label) -> str:
        evaluation = self.call.evaluation
        lines = [f"Overall score: {evaluation.overall_score} of 5"]
        for found in self.findings:
            cited = [label(message_id) for message_id in found.message_ids]
            shown = f" (see {', '.join(cited)})" if cited else ""
            lines.append(f"{found.about}: {found.score} of 5. {_one_line(found.reason)}{shown}")
        if evaluation.summary:
            lines.append(f"Summary: {_one_line(evaluation.summary)}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Citations:
    """What the labels of one request refer to. Unknown labels resolve to nothing."""

    pieces: dict[str, str] = field(default_factory=dict)
    messages: dict[str, tuple[str, str]] = field(default_factory=dict)

    def resolve(self, labels: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the ids of the pieces and of the messages that `labels` name, each once, in order."""
        pieces: dict[str, None] = {}
        messages: dict[str, None] = {}
        for label in (label.strip().strip("[]") for label in labels):
            if label in self.messages:
                piece, message = self.messages[label]
                pieces[piece], messages[message] = None, None
            elif label in self.pieces:
                pieces[self.pieces[label]] = None
        return list(pieces), list(messages)


def label_evidence(evidence: Sequence[Evidence]) -> Citations:
    """Label each piece `C1`, `C2`, … and its messages `C1.1`, `C1.2`, …; their own ids are understood too.

    Labels are short because ids are UUIDs: writing those out for every message would cost more tokens than
    many messages have.
    """
    citations = Citations()
    for number, piece in enumerate(evidence, start=1):
        citations.pieces[f"C{number}"] = citations.pieces[piece.id] = piece.id
        for position, message in enumerate(piece.messages, start=1):
            place = (piece.id, message.id)
            citations.messages[f"C{number}.{position}"] = place
            citations.messages.setdefault(message.id, place)
    return citations


def render_evidence(evidence: Sequence[Evidence], tokens: int) -> list[str]:
    """Write each piece of `evidence` for a model, all together in about `tokens` tokens.

    Findings get at most half of the budget, transcripts the rest, each piece a fair share; what is over it
    is cut from the middle and marked.
    """
    described = [piece.describe(_labels(piece.messages, f"C{n}.")) for n, piece in enumerate(evidence, start=1)]
    granted = shares(list(map(estimate_tokens, described)), tokens // 2)
    described = [cut_text(text, share) for text, share in zip(described, granted, strict=True)]
    written = [render_messages(piece.messages, f"C{number}.") for number, piece in enumerate(evidence, start=1)]
    sizes = [sum(map(estimate_tokens, lines)) for lines in written]
    granted = shares(sizes, tokens - sum(map(estimate_tokens, described)))
    return [
        f"Conversation C{number}\n{findings}\nTranscript:\n" + "\n".join(cut_parts(lines, share))
        for number, (findings, lines, share) in enumerate(zip(described, written, granted, strict=True), start=1)
    ]


def render_messages(messages: Sequence[Message], prefix: str = "") -> list[str]:
    """Write each message, tool calls included, after its label: `prefix` and its position from 1.

    Lines that continue a message are indented, so that no message can pretend to be another one.
    """
    written = []
    for position, message in enumerate(messages, start=1):
        parts = [message.content] if message.content else []
        parts += [f"(calls the tool {_call(call)})" for call in message.tool_calls or ()]
        text = "\n".join(parts) or "(says nothing)"
        speaker = "tool result" if message.role == "tool" else message.role
        written.append(f"[{prefix}{position}] {speaker}: " + "\n    ".join(text.splitlines()))
    return written


def _labels(messages: Sequence[Message], prefix: str) -> Label:
    labels = {message.id: f"{prefix}{position}" for position, message in enumerate(messages, start=1)}
    return lambda message_id: labels.get(message_id, "a message that is gone")


def _call(call: dict[str, object]) -> str:
    """Write a tool call in the OpenAI chat format, or whatever other object it is."""
    function = call.get("function")
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return f"{function['name']} with {function.get('arguments', '')}"
    return json.dumps(call, ensure_ascii=False, default=str)


def _one_line(text: str) -> str:
    return " ".join(text.split())
