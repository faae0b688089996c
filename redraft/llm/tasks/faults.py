"""From reasons to faults: the sentences that say what the assistant did wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from redraft.llm.tasks.evidence import Evidence, Finding

Kind = Literal["omitted", "without", "did"]

LOW_SCORE = 3
FAULTLESS = 5
SIMILAR = 0.6

_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_SUBJECT = re.compile(
    r"^(?:but |and |however,? |also,? |then |finally,? )*(?:the |this |its? |our )?"
    r"(?:ai |voice |virtual |phone |booking |customer[- ]service )*"
    r"(?:assistant|agent|bot|ai|model|system|it)\b(?: also| then| again| simply| just)?\s+",
    re.IGNORECASE,
)
_OMITTED = re.compile(
    r"^(?:did not|didn['’]t|does not|doesn['’]t|failed to|forgot to|neglected to|omitted to)\s+", re.I
)
_WITHOUT = re.compile(r"\bwithout\s+(?:first |even )?\w+ing\b", re.IGNORECASE)
_ASIDE = re.compile(r",? (?:instead of|rather than|which (?:confused|annoyed|upset|left|made|led|caused))\b.*$", re.I)
_PRAISE = re.compile(
    r"^(?:(?:was|is|were|stayed|remained|sounded|kept (?:a|its|calm|polite))\b(?! not)|"
    r"(?:\w+ly )?(?:helped|understood|succeeded|completed|resolved|answered|greeted|thanked)\b)",
    re.IGNORECASE,
)
_ENDING = re.compile(r"(?<=\w\w\w)(?:ing|ed|es|s|e)$")
_STOP_WORDS = """
a an the and or but to of for in on at by with from as it its that this these those is are was were be been has have
had do does did not never always before after when while you your they their them he she his her assistant agent bot
model ai caller callers user users customer customers
"""
_STOP = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the assistant, in one sentence, and where it was found."""

    kind: Kind
    sentence: str
    words: frozenset[str]
    score: int
    audit_ids: dict[str, None] = field(default_factory=dict)
    message_ids: dict[str, None] = field(default_factory=dict)
    metrics: dict[str, None] = field(default_factory=dict)

    @property
    def action(self) -> str | None:
        """The stem of what should have been done; None when the fault is something that was done."""
        if self.kind == "did":
            return None
        _, _, missed = self.sentence.partition(" did not " if self.kind == "omitted" else " without ")
        return next((stem for stem in stem_list(missed) if stem not in {"first", "even"}), None)


def find_faults(evidence: Sequence[Evidence]) -> list[Fault]:
    """Return the distinct faults of `evidence`: those of most conversations first, then the worst scored.

    Only English sentences whose subject is the assistant are understood. What it did not do is a fault below the
    best score; what it did is one only where the score is low, for a good score comes with reasons that praise.
    """
    faults: list[Fault] = []
    for piece in evidence:
        for finding in piece.findings:
            if finding.score >= FAULTLESS:
                continue
            for fault in _faults_of(finding):
                if fault.kind != "did" or finding.score <= LOW_SCORE:
                    _add(faults, fault, piece.id, finding)
    return sorted(faults, key=lambda fault: (-len(fault.audit_ids), fault.score))


def stem_list(text: str) -> list[str]:
    """Return the words that carry meaning, without English endings and at most five letters long."""
    words = re.findall(r"[^\W\d_]+|\d+", text.casefold())
    return [_ENDING.sub("", word)[:5] for word in words if word not in _STOP and len(word) > 1]


def stems(text: str) -> frozenset[str]:
    """Return the different words of `text` that carry meaning, as `stem_list` writes them."""
    return frozenset(stem_list(text))


def similarity(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of words that two sentences have in common (Jaccard index), 0 to 1."""
    union = one | other
    return len(one & other) / len(union) if union else 1.0


def _faults_of(finding: Finding) -> Iterator[Fault]:
    for sentence in _SENTENCE.split(finding.reason[:4_000]):
        subject = _SUBJECT.match(sentence.strip())
        if subject is None:
            continue
        said = _ASIDE.sub("", sentence.strip()[subject.end() :].rstrip(" .!?;"))
        if omitted := _OMITTED.match(said):
            yield _fault("omitted", f"did not {said[omitted.end() :]}", finding)
        elif _WITHOUT.search(said):
            yield _fault("without", said, finding)
        elif not _PRAISE.match(said):
            yield _fault("did", said, finding)


def _fault(kind: Kind, said: str, finding: Finding) -> Fault:
    return Fault(kind, f"The assistant {said}.", stems(said), finding.score)


def _add(faults: list[Fault], fault: Fault, audit_id: str, finding: Finding) -> None:
    known = next((known for known in faults if similarity(known.words, fault.words) >= SIMILAR), None)
    if known is None:
        known = fault
        faults.append(known)
    known.audit_ids[audit_id] = None
    known.message_ids.update(dict.fromkeys(finding.message_ids))
    known.metrics[finding.about] = None
