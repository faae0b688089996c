"""A world for whole-loop tests: one customer with a prompt, audited calls, a worker and a model server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID, uuid4

from pydantic import SecretStr
from sqlmodel import SQLModel
from temporalio.client import Client
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

import worker
from api.temporal import TemporalGateway
from redraft.domain.audits import AuditDraft, create_audit
from redraft.domain.evidence import Dimensions, DimensionScore, Evaluation
from redraft.domain.prompts import PromptDraft, PromptUpdate, create_prompt, update_prompt
from redraft.domain.proposals.deciding import DecisionRequest
from redraft.domain.proposals.opening import ProposalRequest
from redraft.domain.traces import TraceDraft, record_trace
from redraft.llm.factory import language_model
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.ids import new_id
from redraft.store.tables import Audit, Customer, Prompt, Proposal
from runtime.client import connect
from tests.support.fake_gemini import FakeGemini

R = TypeVar("R", bound=SQLModel)
T = TypeVar("T")
PROMPT = "You book tables for {{restaurant}}. Be brief."


def evaluation(score: int = 2) -> Evaluation:
    """An audit's judgement with the same score everywhere."""
    dimension = DimensionScore(score=score, reason="The bot did not confirm the caller's phone number.")
    dimensions = Dimensions(helpfulness=dimension, accuracy=dimension, tone=dimension, goal_completion=dimension)
    return Evaluation(overall_score=score, dimensions=dimensions, summary="No confirmation.")


def settings_for(database_url: str, gemini_url: str, **changes: object) -> Settings:
    """Settings of a test: unique queue, the model server in Gemini's place, quick background work."""
    values: dict[str, object] = {
        "database_url": SecretStr(database_url),
        "database_pool_wait_s": 60.0,  # worker, API and test share one pool, and often one busy core
        "gemini_api_key": SecretStr("test-key"),
        "gemini_base_url": gemini_url,
        "task_queue": f"test-{uuid4().hex[:8]}",
        "relay_interval_s": 0.1,
        "reconcile_interval_s": 3600.0,
        "graceful_shutdown_s": 0.0,
        "llm_rate": 1000.0,
        "rate_limit_per_minute": 0,
        **changes,
    }
    return Settings.model_validate(values)


@dataclass
class World:
    """One customer's corner of a running system."""

    settings: Settings
    db: Database
    client: Client
    gemini: FakeGemini
    customer_id: UUID

    @property
    def gateway(self) -> TemporalGateway:
        """The API's way to the workflows."""
        return TemporalGateway(self.client, self.db, self.settings)

    async def get(self, table: type[R], key: UUID) -> R:
        """Read a record."""
        async with self.db.tenant(self.customer_id) as session:
            return await session.get_one(table, key)

    async def prompt(self, text: str = PROMPT, name: str = "Booking") -> Prompt:
        """Make a prompt."""
        async with self.db.tenant(self.customer_id) as session:
            return (await create_prompt(session, self.customer_id, PromptDraft(name, text), "tester")).prompt

    async def put(self, prompt_id: UUID, text: str) -> None:
        """Change a prompt from outside any proposal."""
        async with self.db.tenant(self.customer_id) as session:
            await update_prompt(session, prompt_id, PromptUpdate(text=text), "someone else")

    async def audits(self, prompt_id: UUID, number: int = 2) -> list[Audit]:
        """Record calls of a prompt's current version, each with an audit made elsewhere."""
        return [await self.audit(prompt_id) for _ in range(number)]

    async def audit(self, prompt_id: UUID) -> Audit:
        """Record one call and its audit."""
        messages = [
            {"role": "user", "content": "A table for two at eight, please."},
            {"role": "assistant", "content": "Done."},
        ]
        async with self.db.tenant(self.customer_id) as session:
            trace = await record_trace(session, self.customer_id, TraceDraft(prompt_id, messages))
            return await create_audit(session, self.customer_id, AuditDraft(trace.id, evaluation=evaluation()))

    def request(self, prompt: Prompt, audits: list[Audit], proposal_id: UUID | None = None) -> ProposalRequest:
        """The request for a proposal."""
        return ProposalRequest(
            id=proposal_id or new_id(),
            customer_id=self.customer_id,
            prompt_id=prompt.id,
            audit_ids=tuple(audit.id for audit in audits),
            language="",
            actor="tester",
        )

    async def open(self, prompt: Prompt, audits: list[Audit] | None = None) -> Proposal:
        """Open a proposal through its workflow."""
        request = self.request(prompt, audits or await self.audits(prompt.id))
        await self.gateway.open_proposal(request)
        return await self.get(Proposal, request.id)

    async def decide(self, proposal_id: UUID, action: str, **options: object) -> Proposal:
        """Decide through the workflow and return the record; raises the refusal."""
        request = DecisionRequest(action, "tester", **options)  # type: ignore[arg-type]
        await self.gateway.decide_proposal(self.customer_id, proposal_id, request)
        return await self.get(Proposal, proposal_id)

    async def until(self, proposal_id: UUID, *statuses: str) -> Proposal:
        """Wait until a proposal has one of these statuses."""
        return await eventually(
            lambda: self.get(Proposal, proposal_id), lambda proposal: proposal.status in statuses, str(statuses)
        )

    async def waiting(self) -> tuple[Prompt, Proposal]:
        """A prompt with a proposal that waits for a decision."""
        prompt = await self.prompt()
        proposal = await self.open(prompt)
        return prompt, await self.until(proposal.id, "completed")


async def eventually(
    read: Callable[[], Awaitable[T]], good: Callable[[T], bool], what: str, timeout_s: float = 30
) -> T:
    """Read until it is good; fail, saying what was seen last, after the timeout."""
    seen: T | None = None
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                seen = await read()
                if good(seen):
                    return seen
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not {what} within {timeout_s} s; last seen: {seen}") from None


async def new_customer(db: Database, name: str = "Clinic") -> UUID:
    """Make a customer and return its id."""
    async with db.system() as session:
        customer = Customer(name=name)
        session.add(customer)
        return customer.id


@asynccontextmanager
async def world(
    database_url: str, temporal_address: str, gemini: FakeGemini, *, working: bool = True, **changes: object
) -> AsyncIterator[World]:
    """A world with its own queue; `working`: with a worker in this process."""
    settings = settings_for(database_url, gemini.url, **changes)
    db = Database.connect(settings)
    client = await connect(settings, target_host=temporal_address)
    made = World(settings, db, client, gemini, await new_customer(db))
    try:
        if working:
            async with working_on(made):
                yield made
        else:
            yield made
    finally:
        await db.close()


@asynccontextmanager
async def working_on(made: World) -> AsyncIterator[None]:
    """A worker for this world while the block runs."""
    model = language_model(made.settings)
    try:
        async with worker.running(made.client, made.db, model, made.settings, workflow_runner=strict_runner()):
            yield
    finally:
        await model.close()


def strict_runner() -> SandboxedWorkflowRunner:
    """A sandbox that fails on an import which nobody meant to pass through."""
    policy = SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    return SandboxedWorkflowRunner(restrictions=replace(SandboxRestrictions.default, import_notification_policy=policy))
