"""Proposing with a small model: one rule for each fault, appended to the prompt.

A model of a hundred million parameters cannot rewrite a prompt. It can turn one sentence into another one
after a few examples, so that is all it is asked for; which faults matter, whether its sentence is a usable
rule, and the rationale are the work of code.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import pairwise

from redraft.domain.checks import template_variables
from redraft.domain.checks.private_data import private_spans
from redraft.llm.port import LanguageModel, ModelAnswerUnusable, ModelRequest, Usage
from redraft.llm.tasks.drafts import Change, Draft, ProposalBrief, check, language_tag
from redraft.llm.tasks.faults import Fault, Kind, find_faults, similarity, stem_list, stems
from redraft.llm.tasks.fence import by_example
from redraft.llm.tasks.prompt import load

MAX_CALLS = 8
"""Most rules that one proposal asks for: the faults of most conversations come first."""

_BEGIN: dict[Kind, str] = {"omitted": "Always", "without": "Always", "did": "Never"}
_MAX_RULE_CHARS = 160
_MAX_RULE_TOKENS = 64
_GROUNDED = 0.7
_HEADING = "Rules from reviewed conversations"
_THIRD_PERSON = re.compile(r"\b(?:the|an?) (?:assistant|agent|bot|ai|finding)\b", re.IGNORECASE)


@dataclass(slots=True)
class Rules:
    """What the model made of the faults: each rule with its fault, and how many of them gave none."""

    rules: list[tuple[str, Fault]] = field(default_factory=list)
    dropped: int = 0
    usage: Usage = field(default_factory=Usage)
    calls: int = 0
    model: str = ""


async def propose_rules(model: LanguageModel, brief: ProposalBrief) -> Draft:
    """Draft a prompt by appending one rule for each fault that the evidence shows.

    At most `MAX_CALLS` calls, decoded greedily. Raises ModelAnswerUnusable when no finding became a usable rule,
    and what the model raises, except that an unusable answer to one call only loses that rule.
    """
    answers = await write_rules(model, brief)
    if not answers.rules:
        raise _nothing(answers)
    text = append_rules(brief.original_prompt, [rule for rule, _ in answers.rules])
    return Draft(
        text=text,
        rationale=_rationale(answers, len(brief.evidence)),
        changes=tuple(describe_rule(rule, fault) for rule, fault in answers.rules),
        checks=await check(brief, text),
        usage=answers.usage,
        model=answers.model,
        task_version=load("propose_rules").id,
        calls=answers.calls,
    )


async def write_rules(model: LanguageModel, brief: ProposalBrief) -> Rules:
    """Ask for one rule for each fault, at most `MAX_CALLS` times.

    Raises what the model raises, except that an unusable answer to one call only loses that rule.
    """
    answers = Rules(model=model.name)
    faults = find_faults(brief.evidence)[:MAX_CALLS]
    # Requests of one kind begin alike, and a local server reads what it has just read much faster.
    for fault in sorted(faults, key=lambda fault: fault.kind):
        rule = await _ask(model, fault, answers)
        if rule and _usable(rule, fault) and not _known(rule, answers, brief):
            answers.rules.append((rule, fault))
        else:
            answers.dropped += 1
    answers.rules.sort(key=lambda pair: faults.index(pair[1]))
    await asyncio.to_thread(_drop_private, answers, brief)
    return answers


async def _ask(model: LanguageModel, fault: Fault, answers: Rules) -> str | None:
    answers.calls += 1
    try:
        answer = await model.generate(_request(fault))
    except ModelAnswerUnusable as error:
        answers.usage += error.usage or Usage()
        return None
    answers.usage += answer.usage
    answers.model = answer.model
    return _first_sentence(answer.text)


def _request(fault: Fault) -> ModelRequest:
    task = load("propose_rules")
    system = task.render("system", begin=_BEGIN[fault.kind])
    turns = by_example("finding", task.section(fault.kind), fault.sentence)
    return ModelRequest(system, turns, max_output_tokens=_MAX_RULE_TOKENS, temperature=0.0, seed=1)


def _first_sentence(text: str) -> str:
    line = next((line for line in text.strip().splitlines() if line.strip()), "")
    return re.split(r"(?<=[.!?])\s", line.strip().strip('"'), maxsplit=1)[0].rstrip(" .!?") + "."


def _usable(rule: str, fault: Fault) -> bool:
    """Tell a rule from a slip: right polarity and action, made of the finding's words, none of them repeated."""
    words = rule[:-1].casefold().split()
    pairs = list(pairwise(words))
    listed = stem_list(rule)
    meaning = frozenset(listed)
    said = Counter(stem_list(fault.sentence))
    repeated = any(count > max(1, said[stem]) for stem, count in Counter(listed).items())
    return (
        words[:1] == [_BEGIN[fault.kind].casefold()]
        and len(words) >= 3
        and len(rule) <= _MAX_RULE_CHARS
        and len(set(pairs)) >= len(pairs) - 1
        and not ({"always", "never", "without"} & set(words[1:]) and fault.kind != "did")
        and not repeated
        and fault.action in {None, *listed[:1]}
        and len(meaning & fault.words) >= _GROUNDED * len(meaning) > 0
        and not _THIRD_PERSON.search(rule)
        and not template_variables(rule)
    )


def _drop_private(answers: Rules, brief: ProposalBrief) -> None:
    """Drop rules that carry private data, in one pass over the transcripts."""
    text = "\n".join(rule for rule, _ in answers.rules)
    found = private_spans(brief.original_prompt, text, brief.transcripts, language=language_tag(brief.language))
    lines = {text.count("\n", 0, at) for span in found for at in (span.start, span.end - 1)}
    answers.dropped += len(lines)
    answers.rules = [pair for line, pair in enumerate(answers.rules) if line not in lines]


def _known(rule: str, answers: Rules, brief: ProposalBrief) -> bool:
    """Tell whether the prompt or an earlier rule says the same already."""
    lines = [line.strip(" -*•\t") for line in brief.original_prompt.splitlines()]
    said = [line for line in lines if 0 < len(line) <= 2 * _MAX_RULE_CHARS] + [other for other, _ in answers.rules]
    return any(
        SequenceMatcher(None, rule, other, autojunk=False).ratio() >= 0.85
        or similarity(stems(rule), stems(other)) >= 0.8
        for other in said
    )


def append_rules(prompt: str, rules: list[str]) -> str:
    """Append `rules` as a section, or to the section that an earlier proposal appended."""
    heading = f"## {_HEADING}" if re.search(r"^#", prompt, re.MULTILINE) else f"{_HEADING}:"
    listed = "\n".join(f"- {rule}" for rule in rules)
    body = prompt.rstrip()
    lines = body.splitlines()
    at = max((at for at, line in enumerate(lines) if line.strip() == heading), default=None)
    own_section = at is not None and all(line.startswith("- ") for line in lines[at + 1 :] if line.strip())
    return f"{body}\n{listed}\n" if own_section else f"{body}\n\n{heading}\n\n{listed}\n"


def describe_rule(rule: str, fault: Fault) -> Change:
    """Return the change that appending `rule` is."""
    return Change(
        summary=f"Adds “{rule}”, because: {fault.sentence}",
        audit_ids=list(fault.audit_ids),
        message_ids=list(fault.message_ids),
        metrics=list(fault.metrics),
    )


def _rationale(answers: Rules, conversations: int) -> str:
    """Compose the rationale from the findings. It is in English, as the findings are."""
    count = len(answers.rules)
    added = "One rule was" if count == 1 else f"{count} rules were"
    lines = [
        f"{added} appended; the rest of the prompt is unchanged. Each rule was made from one finding of the audits by "
        f"a small language model ({answers.model}), and this text was put together from the findings by a program: "
        "read the rules closely."
    ]
    for rule, fault in answers.rules:
        found = len(fault.audit_ids)
        lines.append(f"- {rule} Found in {found} of {conversations} conversations: {fault.sentence}")
    if answers.dropped:
        lines.append(f"For {answers.dropped} more of the findings no usable rule came out.")
    return "\n".join(lines)


def _nothing(answers: Rules) -> ModelAnswerUnusable:
    if answers.calls:
        reason = f"The small model made no usable rule of {answers.calls} findings."
    else:
        reason = "No English reason below the best score says what the assistant did wrong or left out."
    return ModelAnswerUnusable("NoUsableRule", reason, retryable=False, usage=answers.usage)
