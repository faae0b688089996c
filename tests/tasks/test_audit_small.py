"""Audits with a small model: what code sees in a conversation."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from redraft.domain.evidence import DIMENSIONS, AuditedCall, Message
from redraft.llm.port import ModelAnswerUnusable
from redraft.llm.tasks.audit import AuditBrief, audit
from redraft.llm.tasks.audit_small import judge
from redraft.llm.tasks.evidence import AuditEvidence
from redraft.llm.tasks.faults import find_faults
from redraft.llm.tasks.signals import signals
from tests.tasks.scripted import USED, ScriptedModel

AIRLINE = Path(__file__).parents[3] / "shared" / "data" / "airline_calls.jsonl.gz"


def talk(*lines: str) -> list[Message]:
    """Messages from lines: `U: text`, `A: text`, `T: result`, `A> tool input` for a tool call."""
    messages = []
    for at, line in enumerate(lines, start=1):
        mark, text = line[:2], line[2:].strip()
        role = {"U": "user", "A": "assistant", "T": "tool"}[mark[0]]
        calls = None
        if mark == "A>":
            name, _, arguments = text.partition(" ")
            calls, text = [{"id": f"t{at}", "function": {"name": name, "arguments": arguments}}], ""
        messages.append(Message.model_validate({"id": f"m{at}", "role": role, "content": text, "tool_calls": calls}))
    return messages


GOOD = talk(
    "U: A table for two at eight?",
    "A: Today at eight, a table for two. Shall I book it?",
    "U: Yes, please.",
    "A> book_table 8pm",
    'T: {"ok": true}',
    "A: Your table has been booked.",
    "U: Thanks, bye!",
)


def test_a_good_conversation_shows_no_sign_of_trouble() -> None:
    assert signals(GOOD) == []
    evaluation = judge(GOOD)
    assert evaluation.overall_score == 5
    assert [score.score for _, score in evaluation.dimensions.items()] == [5, 5, 5, 3, 5]


@pytest.mark.parametrize(
    ("lines", "dimension", "cited"),
    [
        (("U: A table?", "U: Hello?", "A: Hi."), "helpfulness", ["m1"]),
        (("U: A table?", "A: Yes.", "U: At what time?"), "helpfulness", ["m3"]),
        (("U: Hello", "A: ", "U: Hi"), "helpfulness", ["m1", "m2"]),
        (("U: Hi", "A: Which day do you want?", "U: Hm", "A: Which day do you want?"), "helpfulness", ["m2", "m4"]),
        (("U: Hi", "A: Name? Day? Time?"), "tone", ["m2"]),
        (("U: Hi", "A: Sorry.", "U: So", "A: I apologize.", "U: Well", "A: Sorry!"), "tone", ["m2", "m4", "m6"]),
        (("U: Hi", "A: Done.", "U: That's not what I asked for"), "tone", ["m3"]),
        (("U: Look", "A> find x", "T: Error: no such table", "A: Hm."), "tool_usage", ["m3"]),
        (("U: Look", "A> find x", "T: 1", "A> find x", "T: 1", "A: One."), "tool_usage", ["m2", "m4"]),
        (("U: A table?", "A> book_table 8pm", "T: done", "A: Fine."), "accuracy", ["m1", "m2"]),
        (("U: Yes", "A> book_table 8", 'T: {"success": false}', "A: It has been booked."), "accuracy", ["m3", "m4"]),
        (("U: Book it", "A> find x", "T: 1", "A: It has been booked."), "accuracy", ["m4"]),
    ],
)  # fmt: skip
def test_each_sign_of_trouble_lowers_its_dimension_and_cites(
    lines: tuple[str, ...], dimension: str, cited: list[str]
) -> None:
    score = dict(judge(talk(*lines)).dimensions.items())[dimension]
    assert score.score < 5
    assert score.message_ids == cited


def test_an_unanswered_question_misses_the_goal() -> None:
    evaluation = judge(talk("U: A table?", "A: Yes.", "U: At what time?"))
    assert evaluation.dimensions.goal_completion.score == 1
    assert evaluation.overall_score < judge(GOOD).overall_score


def test_the_last_word_of_the_caller_needs_no_answer() -> None:
    assert signals(talk("U: A table?", "A: At eight.", "U: No, that is too late for us.")) == []


def test_tool_results_are_matched_by_id_before_order() -> None:
    calls = [{"id": "t1", "function": {"name": "a"}}, {"id": "t2", "function": {"name": "book"}}]
    messages = [
        Message(id="m1", role="user", content="yes"),
        Message(id="m2", role="assistant", tool_calls=calls),
        Message(id="m3", role="tool", tool_call_id="t2", content="Error: full"),
        Message(id="m4", role="tool", tool_call_id="t1", content="fine"),
    ]
    assert judge(messages).dimensions.goal_completion.message_ids == ["m3"]


async def test_the_model_words_what_the_caller_wanted() -> None:
    model = ScriptedModel("The caller wanted a table for two at eight.", small=True)
    result = await audit(model, AuditBrief("p", GOOD))
    assert result.evaluation.summary == (
        "The caller wanted a table for two at eight. Scored by automatic checks, not by a reader."
    )
    assert (result.task_version, result.usage, result.calls) == ("audit_small@1", USED, 1)
    assert "A table for two at eight?" in model.requests[0].turns[-1].text


@pytest.mark.parametrize(
    "slip",
    [
        "I would like a table.",
        "The caller wanted a new kitchen and a refund.",
        "The caller wanted a table at 800.",
        ModelAnswerUnusable("OpenAIEmpty", "empty", retryable=False, usage=USED),
    ],
)
async def test_a_slip_of_the_model_leaves_the_judgement(slip: str | ModelAnswerUnusable) -> None:
    result = await audit(ScriptedModel(slip, small=True), AuditBrief("p", GOOD))
    assert result.evaluation == judge(GOOD)
    assert result.usage == USED


async def test_a_conversation_without_a_caller_costs_nothing() -> None:
    model = ScriptedModel(small=True)
    result = await audit(model, AuditBrief("p", talk("A: Hello?")))
    assert (model.requests, result.calls) == ([], 0)


def test_what_it_finds_becomes_evidence_for_a_proposal() -> None:
    messages = talk("U: A table?", "A> book_table 8pm", "T: Error: full", "A: It has been booked.")
    call = AuditedCall(audit_id="a", messages=messages, evaluation=judge(messages))
    faults = find_faults([AuditEvidence(call)])
    assert "The assistant said that it was done although the tool had failed." in [fault.sentence for fault in faults]


@pytest.mark.skipif(not AIRLINE.exists(), reason=f"{AIRLINE} is not there")
def test_real_conversations_get_different_scores_and_true_citations() -> None:
    scores = set()
    with gzip.open(AIRLINE, "rt", encoding="utf-8") as lines:
        calls = [json.loads(line)["messages"] for line in lines]
    for call in calls:
        raw = [{**m, "id": f"m{at}", "content": m.get("content") or ""} for at, m in enumerate(call)]
        evaluation = judge([Message.model_validate(message) for message in raw])
        scores.add(evaluation.overall_score)
        known = {message["id"] for message in raw}
        for name, score in evaluation.dimensions.items():
            assert name in DIMENSIONS
            assert set(score.message_ids) <= known
    assert len(scores) >= 3
