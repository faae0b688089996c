"""`kill -9` of everything while runs of schedules stand at every step."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass, field
from typing import Literal

import pytest

from redraft.store.tables import Prompt, Schedule, ScheduleRun
from tests.kill.cast import stopped_temporal_continues
from tests.kill.pins import Pin, all_waiting
from tests.support.fake_gemini import Call
from tests.support.model_replies import Reply, auto
from tests.support.processes import Machine
from tests.support.schedules import audits_of, begin_due, calls, make_schedule, proposals_of, runs_of
from tests.support.wait import until
from tests.support.worlds import World, eventually

pytestmark = [pytest.mark.kill, pytest.mark.timeout(300)]
Victims = Literal["everything", "everything and Temporal's data"]
STEPS = (
    "before the record",
    "before the sample",
    "during the audits",
    "before the decision",
    "after the decision",
)
AUDITING = STEPS[2:]
"""Those whose audits have to be under way, to get there."""


@dataclass
class Line:
    """A schedule at each step, each of a prompt of its own with two conversations to audit."""

    site: World
    url: str
    schedules: dict[str, tuple[Prompt, Schedule]] = field(default_factory=dict)
    gates: dict[str, threading.Event] = field(default_factory=dict)

    def reply(self, call: Call) -> Reply:
        """Hold the audits of a step that has a gate until it opens."""
        for step, gate in self.gates.items():
            if f"[{step}]" in call.text:
                gate.wait(120)
        return auto()

    async def prepare(self, step: str) -> None:
        """Make the schedule of a step, with something to audit."""
        prompt = await self.site.prompt(f"You book tables for {{{{restaurant}}}}. [{step}]", step)
        await calls(self.site, prompt, True, False)
        self.schedules[step] = (prompt, await make_schedule(self.site, prompt, min_new_audits=2))

    async def begin(self, step: str) -> None:
        """Start the run, as Temporal does."""
        await begin_due(self.site, self.schedules[step][1])

    def open_gates(self) -> None:
        """Let every audit go on."""
        for gate in self.gates.values():
            gate.set()

    def pin(self, step: str, table: Literal["prompts", "schedules"]) -> Pin:
        prompt, schedule = self.schedules[step]
        return Pin.hold(self.url, table, prompt.id if table == "prompts" else schedule.id)

    async def run(self, step: str) -> ScheduleRun | None:
        found = await runs_of(self.site, self.schedules[step][1])
        return found[0] if found else None

    async def settled(self, step: str) -> ScheduleRun:
        """Wait until the run of a step has ended; there is one."""
        run = await eventually(
            lambda: self.run(step), lambda found: found is not None and found.status != "running", f"{step}: ended", 120
        )
        assert run is not None
        assert len(await runs_of(self.site, self.schedules[step][1])) == 1
        return run


@pytest.mark.long
@pytest.mark.parametrize("victims", ["everything", "everything and Temporal's data"])
async def test_each_run_ends_once_with_no_audit_twice_and_no_second_proposal(
    site: World, everything: Machine, victims: Victims
) -> None:
    line = Line(site, everything.database_url)
    site.gemini.default(line.reply)
    with stopped_temporal_continues(everything):
        pins = await at_every_step(line, everything)
        everything.kill_everything()
    for pin in pins:
        pin.release()
    line.open_gates()
    if victims != "everything":
        everything.wipe_temporal()
    everything.start_everything()
    await site.db.engine.dispose()
    if victims != "everything":  # Temporal has forgotten that this one was due; its schedule knows
        await line.begin("before the record")
    for step in STEPS:
        run = await line.settled(step)
        prompt, schedule = line.schedules[step]
        lost = victims != "everything" and step not in ("before the record", "after the decision")
        assert (run.status, run.reason) == (("failed", "WORKFLOW_LOST") if lost else ("started", "")), step
        proposals = [proposal.id for proposal in await proposals_of(site, prompt)]
        assert proposals == ([] if lost else [run.proposal_id]), step
        for proposal_id in proposals:
            await site.until(proposal_id, "completed")
        audited = [audit.trace_id for audit in await audits_of(site, schedule)]
        assert len(set(audited)) == len(audited) == run.audits_started, step
        assert len(audited) == (0 if lost and step == "before the sample" else 2), step


async def at_every_step(line: Line, machine: Machine) -> list[Pin]:
    """Bring a run to each step; return when all stand there at this very moment, with Temporal stopped."""
    for step in STEPS:
        await line.prepare(step)
    for step in AUDITING:
        line.gates[step] = threading.Event()
        await line.begin(step)
    await until(lambda: line.site.gemini.count == 2 * len(AUDITING), timeout_s=60)
    last = line.pin("after the decision", "prompts")
    pins = [line.pin("before the decision", "prompts"), line.pin("before the sample", "prompts")]
    pins.append(line.pin("before the record", "schedules"))
    for step in ("before the decision", "after the decision"):
        line.gates[step].set()
    for step in ("before the sample", "before the record"):
        await line.begin(step)
    await all_waiting(line.url, last, *pins)
    machine.temporal.child.signal(signal.SIGSTOP)  # so that nobody can be told that this transaction has committed
    last.release()
    await line.settled("after the decision")
    await all_waiting(line.url, *pins)
    return pins
