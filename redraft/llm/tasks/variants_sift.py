"""Sifting rewrites: which ones are worth a trial."""

from __future__ import annotations

from dataclasses import dataclass, field

from redraft.domain.checks import Check, blocking_failures
from redraft.llm.tasks.drafts import Change, check
from redraft.llm.tasks.simulate_agent import fill_variables
from redraft.llm.tasks.simulate_bounds import greatest_variant_bytes
from redraft.llm.tasks.variants_alike import near_duplicate
from redraft.llm.tasks.variants_brief import DroppedVariant, VariantDraft, VariantsBrief


@dataclass(slots=True)
class Sieve:
    """Takes rewrites one by one; keeps at most `brief.count`, usable and distinct, and says why it drops others."""

    brief: VariantsBrief
    kept: list[VariantDraft] = field(default_factory=list)
    dropped: list[DroppedVariant] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """How many variants are still wanted."""
        return self.brief.count - len(self.kept)

    async def add(self, text: str, hypothesis: str, changes: tuple[Change, ...]) -> None:
        """Keep a rewrite, or drop it with the reason."""
        if not self.missing:
            return
        if reason := self._unfit(text):
            self.dropped.append(DroppedVariant(text, hypothesis, reason))
            return
        checks = await check(self.brief, text)
        if reason := _refused(checks):
            self.dropped.append(DroppedVariant(text, hypothesis, reason))
        else:
            self.kept.append(VariantDraft(text, hypothesis, changes, checks))

    def _unfit(self, text: str) -> str:
        """Return what speaks against a rewrite before its checks, which take longer."""
        original = self.brief.original_prompt
        if not text:
            return "The variant is empty."
        if near_duplicate(original, text, [variant.text for variant in self.kept]):
            return "The variant says nearly the same as the original or another variant."
        greatest = greatest_variant_bytes(original, self.brief.max_prompt_bytes)
        size = max(len(fill_variables(text).encode()), len(text.encode()))
        if size > greatest:
            return f"The variant has {size:,} bytes; at most {greatest:,} are tried for this prompt."
        return ""


def _refused(checks: tuple[Check, ...]) -> str:
    failed = blocking_failures(checks)
    # For a proposal a new variable is a remark; a trial would fill it in, and the live prompt would not.
    failed += [one for one in checks if one.name == "new_variables" and not one.passed]
    return " ".join(one.message for one in failed)
