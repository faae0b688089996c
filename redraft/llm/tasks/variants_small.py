"""Variants by a small model: the prompt with different subsets of the rules that its evidence suggests.

Where the evidence suggests too few, rules of good practice fill up, and their hypotheses say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from redraft.llm.port import LanguageModel, ModelAnswerUnusable
from redraft.llm.tasks.drafts import Change
from redraft.llm.tasks.faults import stems
from redraft.llm.tasks.prompt import load
from redraft.llm.tasks.rules import append_rules, describe_rule, write_rules
from redraft.llm.tasks.variants_brief import VariantsBrief, VariantsResult
from redraft.llm.tasks.variants_sift import Sieve

GOOD_PRACTICE = (
    "Ask for one thing at a time, and wait for the answer before you go on.",
    "Repeat the important details and ask whether they are right before you act on them.",
    "Answer the question that was asked first, in one or two short sentences.",
    "Say plainly when you do not know something or cannot do it, and offer the next best step.",
    "End every message by saying what happens next or what you need to know.",
)


@dataclass(frozen=True, slots=True)
class _Rule:
    text: str
    reason: str
    change: Change


async def write_small_variants(model: LanguageModel, brief: VariantsBrief) -> VariantsResult:
    """Write variants as the prompt plus rules; at most one call for each rule that is asked for.

    Raises ModelError; ModelAnswerUnusable when not one distinct variant comes out.
    """
    answers = await write_rules(model, brief)
    wished = stems(brief.intent)
    found = [_Rule(rule, fault.sentence, describe_rule(rule, fault)) for rule, fault in answers.rules]
    found.sort(key=lambda rule: -len(stems(rule.text) & wished))
    sieve = Sieve(brief)
    for rules in _choices(found):
        text = append_rules(brief.original_prompt, [rule.text for rule in rules])
        await sieve.add(text, _hypothesis(rules), tuple(rule.change for rule in rules))
    if not sieve.kept:
        raise ModelAnswerUnusable(
            "NoUsableVariant", "No variant that can be tried came out.", retryable=False, usage=answers.usage
        )
    return VariantsResult(
        variants=tuple(sieve.kept),
        dropped=tuple(sieve.dropped),
        usage=answers.usage,
        model=answers.model,
        task_version=load("propose_rules").id,
        calls=answers.calls,
    )


def _choices(found: list[_Rule]) -> Iterator[list[_Rule]]:
    """Choose rules for one variant after another: all, then each alone and all but it, then good practice."""
    if found:
        yield found
    if len(found) > 1:
        for at, rule in enumerate(found):
            yield [rule]
            if len(found) > 2:
                yield found[:at] + found[at + 1 :]
    for text in GOOD_PRACTICE:
        yield [_Rule(text, "", Change(summary=f"Adds “{text}”, a rule of good practice; no evidence is behind it."))]


def _hypothesis(rules: list[_Rule]) -> str:
    """Compose the hypothesis. It is in English, as the findings are."""
    added = " ".join(f"“{rule.text}”" for rule in rules)
    reasons = " ".join(rule.reason for rule in rules if rule.reason)
    if not reasons:
        return f"Adding {added} makes conversations go better (a rule of good practice; no evidence is behind it)."
    return f"Adding {added} prevents what was found: {reasons}"
