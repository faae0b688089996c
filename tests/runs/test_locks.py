"""A correction and an erasure of one run wait for each other, and never in a circle."""

from __future__ import annotations

import asyncio

from redraft.domain.prompts import PromptDraft, create_prompt
from redraft.domain.runs.records import RunDraft, create_run, lock_run
from redraft.domain.traces import lock_key
from redraft.store.database import Database
from redraft.store.tables import Run
from tests.support.worlds import eventually, new_customer

WAITING = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


async def test_whoever_corrects_a_run_holds_nothing_while_its_trace_is_locked(database: Database) -> None:
    customer_id = await new_customer(database)
    async with database.tenant(customer_id) as session:
        prompt = (await create_prompt(session, customer_id, PromptDraft("Desk", "You are a desk."), "tester")).prompt
        run = await create_run(session, customer_id, RunDraft(agent=prompt.id))

    async def correct() -> None:
        async with database.tenant(customer_id) as session:
            await lock_run(session, run.number)

    async def waiting() -> int:
        async with database.engine.connect() as connection:
            return int((await connection.exec_driver_sql(WAITING)).scalar_one())

    async with database.tenant(customer_id) as erasing:
        await lock_key(erasing, run.trace_id)
        correcting = asyncio.create_task(correct())
        await eventually(waiting, lambda count: count == 1, "one who waits")
        await erasing.get_one(Run, run.id, with_for_update={"nowait": True})
    await correcting
