"""Replays the histories of running workflows against the code at hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from temporalio.worker import Replayer

from redraft.settings import Settings
from runtime.client import connect, data_converter
from worker import WORKFLOWS


@dataclass(frozen=True, slots=True)
class Unfit:
    """A running workflow that this code would break."""

    workflow_id: str
    reason: str


@dataclass(slots=True)
class ReplayOutcome:
    """How many histories were replayed, and which do not fit."""

    replayed: int = 0
    failures: list[Unfit] = field(default_factory=list)


def replayer(settings: Settings) -> Replayer:
    """Return a replayer that reads payloads as every client does."""
    return Replayer(workflows=WORKFLOWS, data_converter=data_converter(settings))


async def replay_running(settings: Settings, limit: int) -> ReplayOutcome:
    """Replay up to `limit` running workflows of ours."""
    client = await connect(settings)
    names = " or ".join(f'WorkflowType = "{workflow.__name__}"' for workflow in WORKFLOWS)
    running = client.list_workflows(f'({names}) and ExecutionStatus = "Running"', limit=limit)
    outcome = ReplayOutcome()
    async with replayer(settings).workflow_replay_iterator(running.map_histories()) as results:
        async for result in results:
            outcome.replayed += 1
            if result.replay_failure is not None:
                reason = str(result.replay_failure).splitlines()[0][:300]
                outcome.failures.append(Unfit(result.history.workflow_id, reason))
    return outcome
