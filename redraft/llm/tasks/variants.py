"""Asking a model for variants of a prompt: different rewrites, each with one hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from pydantic import BaseModel, Field

from redraft.domain.checks import template_variables
from redraft.llm.port import LanguageModel, ModelAnswer, ModelAnswerUnusable, ModelRequest, Turn, Usage
from redraft.llm.tasks.drafts import Change, language_tag
from redraft.llm.tasks.evidence import label_evidence, render_evidence
from redraft.llm.tasks.fence import Fence, strip_fences
from redraft.llm.tasks.prompt import load
from redraft.llm.tasks.propose import ChangeAnswer
from redraft.llm.tasks.tokens import estimate_tokens
from redraft.llm.tasks.variants_brief import DroppedVariant, VariantDraft, VariantsBrief, VariantsResult
from redraft.llm.tasks.variants_sift import Sieve
from redraft.llm.tasks.variants_small import write_small_variants

__all__ = ["DroppedVariant", "VariantDraft", "VariantsBrief", "VariantsResult", "write_variants"]

_HYPOTHESIS_CHARS = 1_000
_TOKENS_BESIDE = 400
"""About what hypothesis and changes of a variant take, in tokens."""


class VariantAnswer(BaseModel):
    """One variant, as the model answers it."""

    hypothesis: str = Field(description="The one idea that this rewrite tests.")
    changes: list[ChangeAnswer] = Field(default_factory=list, description="Each change of this rewrite.")
    prompt: str = Field(description="The whole rewritten prompt, ready to use.")


class VariantsAnswer(BaseModel):
    """The variants, as the model answers them."""

    variants: list[VariantAnswer] = Field(description="Different rewrites, the most promising one first.")


@dataclass(slots=True)
class _Spent:
    usage: Usage
    calls: int
    model: str


async def write_variants(model: LanguageModel, brief: VariantsBrief) -> VariantsResult:
    """Write `brief.count` rewrites of the prompt, distinct from it and from each other.

    One model call. A second one asks once for those that are missing: near-duplicates, rewrites that failed a
    blocking check, that bring a variable of their own, are too long, or did not fit into one answer. What is still
    missing then is left out. A model marked small is asked rule by rule instead. Raises ModelError;
    ModelAnswerUnusable when no rewrite can be used.
    """
    if brief.count < 1:
        raise ValueError(f"count is {brief.count}; at least 1 variant is needed")
    sieve, spent = Sieve(brief), _Spent(Usage(), 0, model.name)
    if model.small:
        return await write_small_variants(model, brief)
    await _ask(model, sieve, spent)
    if sieve.missing:
        try:
            await _ask(model, sieve, spent)
        except ModelAnswerUnusable as error:
            if not sieve.kept:
                raise
            spent.usage += error.usage or Usage()
    if not sieve.kept:
        reasons = " ".join(dict.fromkeys(drop.reason for drop in sieve.dropped)) or "The model wrote none."
        message = f"The model wrote no variant that can be tried. {reasons}"
        raise ModelAnswerUnusable("NoUsableVariant", message, retryable=False, usage=spent.usage)
    return VariantsResult(
        variants=tuple(sieve.kept),
        dropped=tuple(sieve.dropped),
        usage=spent.usage,
        model=spent.model,
        task_version=load("variants").id,
        calls=spent.calls,
    )


async def _ask(model: LanguageModel, sieve: Sieve, spent: _Spent) -> None:
    spent.calls += 1
    answer = await model.generate(_request(sieve))
    spent.usage += answer.usage
    spent.model = answer.model
    citations = label_evidence(sieve.brief.evidence)
    for variant in _read(answer):
        changes = []
        for change in variant.changes:
            evidence, messages = citations.resolve([*change.audit_ids, *change.message_ids])
            if summary := strip_fences(change.summary).strip():
                changes.append(Change(summary=summary, audit_ids=evidence, message_ids=messages))
        hypothesis = strip_fences(variant.hypothesis).strip()[:_HYPOTHESIS_CHARS]
        await sieve.add(strip_fences(variant.prompt).strip(), hypothesis, tuple(changes))


def _read(answer: ModelAnswer) -> list[VariantAnswer]:
    return cast(VariantsAnswer, answer.parsed).variants


def _request(sieve: Sieve) -> ModelRequest:
    brief = sieve.brief
    variables = template_variables(brief.original_prompt)
    pieces = render_evidence(brief.evidence, brief.context_tokens)
    taken = "\n".join(f"- {' '.join(variant.hypothesis.split())}" for variant in sieve.kept)
    refused = "\n".join(f"- {' '.join(f'{drop.hypothesis} {drop.reason}'.split())}" for drop in sieve.dropped)
    fence = Fence([brief.original_prompt, brief.intent, taken, refused, *pieces])
    values = {
        "token": fence.token,
        "language": language_tag(brief.language),
        "count": min(sieve.missing, _fitting(brief)),
        "prompt": fence.wrap("original-prompt", brief.original_prompt),
        "variables": fence.wrap("variables", "\n".join(variables)) if variables else "",
        "intent": fence.wrap("wishes", brief.intent) if brief.intent else "",
        "evidence": [fence.wrap(f"conversation-{n}", piece) for n, piece in enumerate(pieces, start=1)],
        "taken": fence.wrap("hypotheses", taken) if taken else "",
        "refused": fence.wrap("refused", refused) if refused else "",
    }
    task = load("variants")
    return ModelRequest(
        system=task.render("system", **values),
        turns=(Turn("user", task.render("request", **values)),),
        output=VariantsAnswer,
        max_output_tokens=brief.max_output_tokens,
    )


def _fitting(brief: VariantsBrief) -> int:
    """Return how many rewrites fit into one answer, at least 1; half of it is left for thinking."""
    each = estimate_tokens(brief.original_prompt) + _TOKENS_BESIDE
    return max(1, brief.max_output_tokens // (2 * each))
