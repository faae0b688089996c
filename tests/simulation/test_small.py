"""Trials with a small model: it plays the agent, everything else is code."""

from __future__ import annotations

import pytest

from redraft.domain.personas import BUILT_IN
from redraft.domain.scenario_checks import ScenarioCheck
from redraft.domain.scenario_drafts import ScenarioDraft
from redraft.llm.tasks.judge_trial_small import judge_by_code
from redraft.llm.tasks.simulate import run_trial
from redraft.llm.tasks.simulate_bounds import greatest_calls_of_trial
from redraft.llm.tasks.simulate_brief import Ended, Line, TrialBrief
from redraft.llm.tasks.simulate_persona_small import first_person, small_messages
from tests.simulation.briefs import SCENARIO, trial
from tests.tasks.scripted import ScriptedModel

MOVING = SCENARIO.model_copy(
    update={"situation": "You are Alex Kim. Your table is for two. They told you to call. Make up plausible details."}
)


def small(brief: TrialBrief) -> list[str]:
    return small_messages(brief)


async def test_only_the_agent_is_asked_and_what_is_said_to_it_comes_from_the_scenario() -> None:
    model = ScriptedModel("Which day?", "For how many?", "Booked.", small=True)
    result = await run_trial(model, trial("You book tables.", scenario=MOVING))
    assert [line.content for line in result.transcript if line.role == "persona"] == [
        SCENARIO.opening,
        "I am Alex Kim. My table is for two. Please be quick.",
        "They told me to call. Please be quick.",
    ]
    assert all((r.output, r.system) == (None, "You book tables.") for r in model.requests)
    assert (result.calls, result.turns, result.ended) == (3, 3, "turn_limit")
    assert len(model.requests) <= greatest_calls_of_trial(6, small=True)
    assert result.reasons["quality"].startswith("Counted by a program")


@pytest.mark.parametrize(("wanted", "ended", "score"), [("booked", "goal", 100), ("refund", "turn_limit", 0)])
async def test_checks_tell_whether_the_goal_is_reached(wanted: str, ended: str, score: float) -> None:
    scenario = MOVING.model_copy(update={"checks": [ScenarioCheck(kind="contains", value=wanted)]})
    model = ScriptedModel("Which day?", "It is booked.", small=True)
    result = await run_trial(model, trial(scenario=scenario, max_turns=2))
    assert (result.ended, result.metrics and result.metrics["taskCompletion"]) == (ended, score)


def test_each_persona_has_its_manner_and_a_situation_without_facts_a_follow_up() -> None:
    bare = ScenarioDraft(name="x", situation="Make up plausible details.", goal="You want your money back.")
    said = {card.name: small(trial(persona=card, scenario=bare)) for card in BUILT_IN}
    assert all(messages[0] == "Hello. I want my money back." for messages in said.values())
    assert len({messages[1] for messages in said.values()}) == len(BUILT_IN)
    assert all("What happens next?" in messages[1] for messages in said.values())


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("You are Alex.", "I am Alex."),
        ("You have lost your card.", "I have lost my card."),
        ("The shop promised you a refund.", "The shop promised me a refund."),
        ("The card is yours, and you want it.", "The card is mine, and I want it."),
    ],
)
def test_a_situation_is_told_in_the_first_person(told: str, said: str) -> None:
    assert first_person(told) == said


def lines(*said: str) -> list[Line]:
    return [Line(role="agent" if at % 2 else "persona", content=text) for at, text in enumerate(said)]


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (("Hi", "Which day?", "Friday", "Which day?"), "repeats itself"),
        (("A table, please.", "A table, please."), "gives the question back"),
        (("Hi", "word " * 300), "characters"),
        (("Hi", "As an AI language model, I cannot."), "language model"),
        (("Hi", "I will get it ready. I will get it ready."), "within itself"),
    ],
)
def test_faults_of_form_cost_quality_and_are_named(said: tuple[str, ...], fault: str) -> None:
    metrics, reasons = judge_by_code(lines(*said), "turn_limit", None)
    best, _ = judge_by_code(lines("Hi", "Which day would you like?"), "turn_limit", None)
    assert metrics["quality"] < best["quality"] == 100
    assert fault in reasons["quality"]


@pytest.mark.parametrize(("ended", "completion"), [("goal", 100), ("gave_up", 0), ("turn_limit", 50)])
def test_without_checks_only_the_ending_tells_completion(ended: Ended, completion: float) -> None:
    assert judge_by_code(lines("Hi", "Hello"), ended, None)[0]["taskCompletion"] == completion


def test_sentiment_follows_the_persons_words() -> None:
    pleased = judge_by_code(lines("Hi", "Done.", "Great, thank you!"), "turn_limit", None)[0]
    upset = judge_by_code(lines("Hi", "No.", "This is ridiculous."), "turn_limit", None)[0]
    assert pleased["sentiment"] > 50 > upset["sentiment"]
