"""Schedules from every side: over HTTP, as rows, in Temporal, and what they start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlmodel import col, select
from temporalio import activity, workflow
from temporalio.client import Client, ScheduleDescription, ScheduleHandle
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError
from temporalio.worker import Worker

from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.tables import Schedule, ScheduleRun
from runtime.relay import Relay
from runtime.schedule_protos import Mark, mark_of, temporal_id
from runtime.schedules import Scheduler
from runtime.starts import Starter
from tests.support.customers import CustomerFixture
from workflows.queues import workflow_queue
from workflows.reoptimize_contracts import REOPTIMIZE_WORKFLOW, ReoptimizeInput

Json = dict[str, Any]
SCHEDULES = "/api/v1/schedules"
YEARLY = {"cron": ["0 3 1 1 *"]}
"""Never due while a test runs."""


@workflow.defn(name=REOPTIMIZE_WORKFLOW, sandboxed=False)
class StandIn:
    """Says which due time it is for, and ends when it may."""

    @workflow.run
    async def run(self, given: ReoptimizeInput) -> None:
        """Note the due time."""
        due = workflow.info().typed_search_attributes.get(SearchAttributeKey.for_datetime("TemporalScheduledStartTime"))
        told = [str(given.schedule_id), due.isoformat() if due else ""]
        await workflow.execute_activity("note_due", told, start_to_close_timeout=timedelta(minutes=1))


@dataclass
class Board:
    """One customer's schedules."""

    http: httpx.AsyncClient
    client: Client
    db: Database
    settings: Settings
    customer: CustomerFixture
    prompt_id: str = ""
    due: list[tuple[UUID, datetime]] = field(default_factory=list)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_end.set()

    # ------------------------------------------------------------------------------------------ over HTTP

    async def make_prompt(self) -> None:
        """Make the prompt that schedules are of."""
        body = {"name": "Booking", "content": "Secret text of the prompt.", "llmModel": "gemini-2.5-flash"}
        answer = await self.http.post("/api/v1/prompts", json=body)
        assert answer.status_code == 201, answer.text
        self.prompt_id = answer.json()["id"]

    def body(self, **fields: Any) -> Json:
        """Return a body that makes a schedule; one of cron, interval and calendar may be among the fields."""
        timing = {} if {"cron", "interval", "calendar"} & fields.keys() else YEARLY
        return {"promptId": self.prompt_id, "action": "proposal", **timing, **fields}

    async def make(self, **fields: Any) -> Json:
        """Make a schedule."""
        answer = await self.http.post(SCHEDULES, json=self.body(**fields))
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    async def read(self, schedule: Json) -> Json:
        """Read a schedule."""
        answer = await self.http.get(f"{SCHEDULES}/{schedule['id']}")
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def change(self, schedule: Json, **fields: Any) -> Json:
        """Change a schedule."""
        answer = await self.http.patch(f"{SCHEDULES}/{schedule['id']}", json=fields)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def post(self, schedule: Json, what: str, body: Json | None = None) -> httpx.Response:
        """Ask for pause, resume, trigger or backfill."""
        return await self.http.post(f"{SCHEDULES}/{schedule['id']}/{what}", json=body)

    async def runs(self, schedule: Json) -> list[Json]:
        """List the runs of a schedule."""
        answer = await self.http.get(f"{SCHEDULES}/{schedule['id']}/runs")
        assert answer.status_code == 200, answer.text
        found: list[Json] = answer.json()["data"]
        return found

    # ------------------------------------------------------------------------------------------ rows

    async def row(self, schedule: Json) -> Schedule:
        """Return a schedule's row."""
        async with self.db.tenant(self.customer.id) as session:
            return await session.get_one(Schedule, id_of(schedule))

    async def add_run(self, schedule: Json, **fields: Any) -> ScheduleRun:
        """Add a run to a schedule."""
        run = ScheduleRun(
            customer_id=self.customer.id,
            schedule_id=id_of(schedule),
            workflow_id=f"reoptimize-{id_of(schedule)}",
            **{"run_key": "first", **fields},
        )
        async with self.db.tenant(self.customer.id) as session:
            session.add(run)
        return run

    # ------------------------------------------------------------------------------------------ Temporal

    def handle(self, schedule: Json) -> ScheduleHandle:
        """Return a schedule in Temporal."""
        return self.client.get_schedule_handle(temporal_id(id_of(schedule)))

    async def described(self, schedule: Json) -> ScheduleDescription | None:
        """Describe a schedule in Temporal, None when it has none."""
        try:
            return await self.handle(schedule).describe()
        except RPCError:
            return None

    async def mark(self, schedule: Json) -> Mark | None:
        """Return which revision Temporal has."""
        described = await self.described(schedule)
        assert described is not None
        return await mark_of(described.raw_description.schedule, self.client.data_converter)

    @property
    def scheduler(self) -> Scheduler:
        """What settles."""
        return Scheduler(self.client, self.db, self.settings)

    async def reconcile(self) -> None:
        """Make one pass of the reconciler over schedules."""
        await self.scheduler.reconcile()

    async def relay(self) -> int:
        """Deliver what is due in the outbox."""
        return await Relay(self.db, Starter(self.client, self.settings), 1.0).deliver_due()

    async def clear(self) -> None:
        """Delete what is left: an interval would go on for ever."""
        async with self.db.tenant(self.customer.id) as session:
            left = list(await session.exec(select(Schedule).where(col(Schedule.deleted_at).is_(None))))
            for row in left:
                row.deleted_at = row.created_at
        for row in left:
            await self.scheduler.settle(self.customer.id, row.id)

    # ------------------------------------------------------------------------------------------ what is started

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work on what schedules start, with the stand-in, while the block runs."""
        board = self

        @activity.defn
        async def note_due(given: list[str]) -> None:
            await board.may_end.wait()
            board.due.append((UUID(given[0]), datetime.fromisoformat(given[1])))

        queue = workflow_queue(self.settings.task_queue)
        async with Worker(self.client, task_queue=queue, workflows=[StandIn], activities=[note_due]):
            yield


def id_of(schedule: Json) -> UUID:
    """Return the id behind a schedule's prefix."""
    return UUID(schedule["id"].removeprefix("sched_"))


def refused(answer: httpx.Response, status: int, code: str) -> str:
    """Check a refusal and return its message."""
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    message: str = answer.json()["error"]["message"]
    return message


def dates(schedule: Json) -> Iterator[datetime]:
    """Return the next due times of a schedule."""
    return (datetime.fromisoformat(text) for text in schedule["nextRuns"])
