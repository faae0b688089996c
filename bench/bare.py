"""`python -m bench.bare`: a Temporal workflow with as many updates and activities as a proposal, and nothing else."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

QUEUE = "bare"


@activity.defn
async def nothing() -> str:
    """Do nothing."""
    return "done"


@workflow.defn
class BareWorkflow:
    """Opened by an update that runs an activity, works by one, closed by an update that runs a third."""

    def __init__(self) -> None:
        self._opened = self._worked = self._closed = False

    @workflow.run
    async def run(self) -> str:
        """Wait to be opened, work, wait to be closed."""
        await workflow.wait_condition(lambda: self._opened)
        await self._act()
        self._worked = True
        await workflow.wait_condition(lambda: self._closed and workflow.all_handlers_finished())
        return "closed"

    @workflow.update
    async def open(self) -> str:
        """Run an activity."""
        done = await self._act()
        self._opened = True
        return done

    @workflow.update
    async def close(self) -> str:
        """Run an activity once the work is done."""
        await workflow.wait_condition(lambda: self._worked)
        done = await self._act()
        self._closed = True
        return done

    async def _act(self) -> str:
        return await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=10))


@workflow.defn
class BareTrials:
    """Activities side by side, as many at a time as an experiment's trials."""

    @workflow.run
    async def run(self, wanted: tuple[int, int]) -> str:
        """Run `wanted[0]` activities, `wanted[1]` at a time."""
        number, side_by_side = wanted
        places = asyncio.Semaphore(side_by_side)

        async def one() -> None:
            async with places:
                await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=10))

        await asyncio.gather(*(one() for _ in range(number)))
        return "done"


async def run_one(client: Client, workflow_id: str) -> None:
    """Take one workflow from its start to its end."""
    start = WithStartWorkflowOperation(
        BareWorkflow.run, id=workflow_id, task_queue=QUEUE, id_conflict_policy=WorkflowIDConflictPolicy.FAIL
    )
    await client.execute_update_with_start_workflow(BareWorkflow.open, start_workflow_operation=start)
    handle = await start.workflow_handle()
    await handle.execute_update(BareWorkflow.close)


async def main() -> None:
    """Work until stopped."""
    from redraft.settings import settings
    from runtime.client import connect

    client = await connect(settings())
    async with Worker(client, task_queue=QUEUE, workflows=[BareWorkflow, BareTrials], activities=[nothing]):
        print("bare_worker_started", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
