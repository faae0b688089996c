"""What variants start from and what comes out."""

from __future__ import annotations

from dataclasses import dataclass

from redraft.domain.checks import Check
from redraft.llm.port import Usage
from redraft.llm.tasks.drafts import Change, ProposalBrief

MAX_VARIANTS = 5


@dataclass(frozen=True, slots=True)
class VariantsBrief(ProposalBrief):
    """What variants start from: the prompt and its evidence, as for a proposal, and what somebody wishes for.

    `count`: 1..5. `target_improvements` and `hypothesis` are somebody's words: data that steers, never instructions.
    """

    count: int = 3
    target_improvements: tuple[str, ...] = ()
    hypothesis: str = ""

    @property
    def intent(self) -> str:
        """What is wished for, in lines; empty for nothing."""
        wishes = [f"- {' '.join(wish.split())}" for wish in self.target_improvements if wish.strip()]
        lines = ["Improve:", *wishes] if wishes else []
        if self.hypothesis.strip():
            lines.append(f"Hypothesis: {self.hypothesis.strip()}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class VariantDraft:
    """A rewritten prompt, the one hypothesis behind it, and what it changes on what evidence."""

    text: str
    hypothesis: str
    changes: tuple[Change, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class DroppedVariant:
    """A rewrite that is not tried, and why."""

    text: str
    hypothesis: str
    reason: str


@dataclass(frozen=True, slots=True)
class VariantsResult:
    """One to `count` distinct variants. `usage` adds up all `calls`."""

    variants: tuple[VariantDraft, ...]
    dropped: tuple[DroppedVariant, ...]
    usage: Usage
    model: str
    task_version: str
    calls: int
