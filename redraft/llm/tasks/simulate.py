"""One trial: a persona and the agent under test talk, then the conversation is judged.

Every call goes through the one given model, and which call follows depends on nothing but the brief and the answers so
far: a trial that is run again with the answers kept from the first time makes the same calls in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from redraft.domain.scenario_checks import CheckResult, run_checks
from redraft.llm.port import LanguageModel, ModelAnswerUnusable, ModelBlocked
from redraft.llm.tasks.judge_trial import judge_trial
from redraft.llm.tasks.prompt import load
from redraft.llm.tasks.simulate_agent import agent_request, fill_variables
from redraft.llm.tasks.simulate_brief import (
    METRICS,
    Ended,
    FaultCode,
    Line,
    Speaker,
    TrialBrief,
    TrialLimits,
    TrialResult,
)
from redraft.llm.tasks.simulate_persona import PersonaTurn, clean_message, find_fault, is_stuck, persona_request
from redraft.llm.tasks.simulate_persona_small import small_messages
from redraft.llm.tasks.tokens import BYTES_PER_TOKEN, cut_text


class SimulatorFault(Exception):
    """The persona or the judge slipped; the cell does not count."""

    def __init__(self, code: FaultCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class _AgentFailed(Exception):
    """The agent gave no answer: its own failure, which scores 0."""


@dataclass(slots=True)
class _Conversation:
    model: LanguageModel
    brief: TrialBrief
    limits: TrialLimits
    system: str
    script: list[str]
    lines: list[Line] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    calls: int = 0

    async def run(self) -> Ended:
        """Talk until the persona ends it or the turn limit. Raises SimulatorFault, _AgentFailed, ModelError."""
        for _ in range(self.brief.max_turns):
            if ended := await self._persona():
                return ended
            await self._agent()
        return self._scripted_end() if self.model.small else "turn_limit"

    async def _persona(self) -> Ended | None:
        """Add the persona's next message; return how it ended the conversation, if it did."""
        if self.model.small:
            return self._scripted()
        if not self.lines and self.brief.scenario.opening:
            self._say("persona", self.brief.scenario.opening)
            return None
        self.calls += 1
        try:
            answer = await self.model.generate(persona_request(self.brief, self.lines, self.limits))
        except ModelAnswerUnusable as error:
            code: FaultCode = "persona_blocked" if isinstance(error, ModelBlocked) else "persona_unusable"
            raise SimulatorFault(code, f"The persona's model gave no usable message ({error.code}).") from error
        turn = cast(PersonaTurn, answer.parsed)
        message = clean_message(turn.message)
        # Before the agent has said anything nothing can be reached.
        over = self.answers and turn.status != "continue"
        return self._check(message, "goal" if turn.status == "goal_reached" else "gave_up", over=bool(over))

    def _scripted(self) -> Ended | None:
        """Add the next message that code has written, if there is one left."""
        said = len(self.answers)
        if said == len(self.script):
            return self._scripted_end()
        self._say("persona", self.script[said])
        return None

    def _scripted_end(self) -> Ended:
        """Only checks can tell whether a scripted persona has reached its goal."""
        checks = run_checks(self.brief.scenario.checks, self.answers)
        return "goal" if checks and all(check.passed for check in checks) else "turn_limit"

    def _check(self, message: str, ending: Ended, *, over: bool) -> Ended | None:
        fault = find_fault(message, self.lines)
        if over and fault in {None, "persona_empty", "persona_loop"}:
            if fault is None:
                self._say("persona", message)
            return ending
        if fault == "persona_loop" and is_stuck(self.lines):
            # The agent said nothing new, so the persona has nothing new to say: a real person leaves.
            return "gave_up"
        if fault is not None:
            raise SimulatorFault(fault, _FAULTS[fault])
        self._say("persona", message)
        return None

    async def _agent(self) -> None:
        """Add the agent's answer."""
        self.calls += 1
        request = agent_request(self.brief, self.system, self.lines, self.limits, small=self.model.small)
        try:
            answer = await self.model.generate(request)
        except ModelAnswerUnusable as error:
            how = "was blocked" if isinstance(error, ModelBlocked) else "gave no usable answer"
            raise _AgentFailed(f"The agent {how} ({error.code}).") from error
        text = answer.text.strip()
        if not text:
            raise _AgentFailed("The agent gave an empty answer.")
        self.answers.append(text)
        self._say("agent", text)

    def _say(self, role: Speaker, text: str) -> None:
        self.lines.append(Line(role=role, content=cut_text(text, self.limits.bytes_of(role) // BYTES_PER_TOKEN)))


_FAULTS: dict[FaultCode, str] = {
    "persona_empty": "The persona said nothing and did not end the conversation.",
    "persona_role": "The persona fell out of its role.",
    "persona_loop": "The persona repeated itself or the agent.",
}


async def run_trial(model: LanguageModel, brief: TrialBrief) -> TrialResult:
    """Run one trial: at most `greatest_calls_of_trial(brief.max_turns)` calls.

    A slip of the simulator or the judge is a result with a `fault`; a failure of the agent is a score of 0. Raises
    ModelError for everything that is neither (the provider is not there, a budget is spent): nothing was decided then.
    """
    talk = _Conversation(
        model=model,
        brief=brief,
        limits=brief.limits or TrialLimits.of(model),
        system=fill_variables(brief.prompt),
        script=small_messages(brief) if model.small else [],
    )
    try:
        ended = await talk.run()
    except SimulatorFault as fault:
        return _faulty(talk, fault, "fault")
    except _AgentFailed as failure:
        return _failed(talk, str(failure))
    checks = run_checks(brief.scenario.checks, talk.answers)
    try:
        judged = await judge_trial(model, brief, talk.lines, ended, checks, talk.limits)
    except ModelAnswerUnusable as error:
        talk.calls += 1
        code: FaultCode = "judge_blocked" if isinstance(error, ModelBlocked) else "judge_unusable"
        return _faulty(talk, SimulatorFault(code, f"The judge gave no usable judgement ({error.code})."), ended)
    talk.calls += judged.calls
    return TrialResult(
        transcript=tuple(talk.lines),
        turns=len(talk.answers),
        ended=ended,
        metrics=judged.metrics,
        score=brief.weights.score(judged.metrics),
        reasons=judged.reasons,
        checks=tuple(checks),
        fault="",
        calls=talk.calls,
        task_version=_version(),
    )


def _faulty(talk: _Conversation, fault: SimulatorFault, ended: Ended) -> TrialResult:
    return TrialResult(
        transcript=tuple(talk.lines),
        turns=len(talk.answers),
        ended=ended,
        metrics=None,
        score=None,
        reasons={"trial": str(fault)},
        checks=(),
        fault=fault.code,
        calls=talk.calls,
        task_version=_version(),
    )


def _failed(talk: _Conversation, reason: str) -> TrialResult:
    checks: list[CheckResult] = run_checks(talk.brief.scenario.checks, talk.answers)
    return TrialResult(
        transcript=tuple(talk.lines),
        turns=len(talk.answers),
        ended="agent_failed",
        metrics=dict.fromkeys(METRICS, 0.0),
        score=0.0,
        reasons={"trial": reason},
        checks=tuple(checks),
        fault="",
        calls=talk.calls,
        task_version=_version(),
    )


def _version() -> str:
    return f"{load('simulate_persona').id} {load('judge_trial').id}"
