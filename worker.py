"""The worker process: workflows and activities on their task queues, the outbox relay and the reconciler."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from activities.audits import AuditActivities, JudgeActivities
from activities.optimizations import OptimizationActivities
from activities.proposals import DraftActivities, ProposalActivities
from activities.reoptimize import ReoptimizeActivities
from activities.trials import TrialActivities
from activities.watches import WatchActivities
from activities.webhooks import WebhookActivities
from redraft.llm.factory import language_model
from redraft.llm.observed import ModelMetrics
from redraft.llm.port import LanguageModel
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.ready import is_migrated
from redraft.telemetry import start_metrics, start_tracing
from runtime.client import connect, register_search_attributes
from runtime.faults import DiscreetFaults
from runtime.gauges import Gauges
from runtime.reconciler import Reconciler
from runtime.relay import Relay
from runtime.retention import Retention
from runtime.starts import Starter
from workflows.audits import AuditWorkflow
from workflows.optimizations import OptimizationWorkflow
from workflows.proposals import ProposalWorkflow
from workflows.queues import model_queue, webhook_queue, workflow_queue
from workflows.reoptimize import ReoptimizeWorkflow
from workflows.watches import WatchWorkflow
from workflows.webhooks import WebhookDeliveryWorkflow

WORKFLOWS: list[type] = [
    *(ProposalWorkflow, AuditWorkflow, OptimizationWorkflow),
    *(WatchWorkflow, ReoptimizeWorkflow, WebhookDeliveryWorkflow),
]
# A cached workflow costs memory, an evicted one a replay of its few events when it is next needed.
MAX_CACHED_WORKFLOWS = 500
MAX_MODEL_CALLS = 50
HEARD_WITHIN = timedelta(seconds=2)
MAX_WEBHOOK_REQUESTS = 50
RECONNECT_S = 2.0
log = structlog.get_logger(__name__)


def deployment(settings: Settings) -> WorkerDeploymentConfig | None:
    """Return worker versioning when REDRAFT_BUILD_ID is set: waiting runs move on to the newest build by themselves."""
    if settings.build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(settings.deployment, settings.build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


def workers(client: Client, db: Database, model: LanguageModel, settings: Settings, **options: Any) -> list[Worker]:
    """Return the workers of this process: for workflows and short transactions, model calls, webhooks."""
    proposals, audits = ProposalActivities(db, settings), AuditActivities(db)
    optimizations, trials = OptimizationActivities(db, model, settings), TrialActivities(db, model, settings)
    drafts, judges = DraftActivities(db, model, settings), JudgeActivities(db, model, settings)
    schedules = ReoptimizeActivities(db, model, settings)
    common: dict[str, Any] = {
        "max_heartbeat_throttle_interval": HEARD_WITHIN,  # a cancelled model call hears of it with a heartbeat
        "graceful_shutdown_timeout": timedelta(seconds=settings.graceful_shutdown_s),
        "deployment_config": deployment(settings),
        "max_cached_workflows": MAX_CACHED_WORKFLOWS,
        "workflow_runner": SandboxedWorkflowRunner(),
        "interceptors": [DiscreetFaults()],
        **options,
    }
    return [
        Worker(
            client,
            task_queue=workflow_queue(settings.task_queue),
            workflows=WORKFLOWS,
            activities=[
                proposals.open,
                proposals.load,
                proposals.claim_slot,
                proposals.recheck,
                proposals.decide,
                proposals.fail,
                audits.fail,
                optimizations.open,
                optimizations.load,
                optimizations.claim_slot,
                optimizations.plan,
                optimizations.plan_regressions,
                optimizations.conclude,
                optimizations.fail,
                optimizations.recheck,
                optimizations.decide,
                WatchActivities(db, settings).look,
                schedules.begin,
                schedules.sample,
                schedules.wait_for_audits,
                schedules.decide,
            ],
            max_concurrent_activities=settings.database_pool_size * 2,
            **common,
        ),
        Worker(
            client,
            task_queue=model_queue(settings.task_queue),
            activities=[drafts.generate_draft, judges.judge, trials.prepare, trials.run_trial],
            max_concurrent_activities=MAX_MODEL_CALLS,
            max_task_queue_activities_per_second=settings.llm_rate,
            **common,
        ),
        Worker(
            client,
            task_queue=webhook_queue(settings.task_queue),
            activities=[WebhookActivities(db, settings).attempt],
            max_concurrent_activities=MAX_WEBHOOK_REQUESTS,
            **common,
        ),
    ]


@asynccontextmanager
async def running(
    client: Client, db: Database, model: LanguageModel, settings: Settings, **options: Any
) -> AsyncIterator[None]:
    """Everything a worker process does, while the block runs; leaving it drains what is under way."""
    starter = Starter(client, settings)
    background: list[Relay | Reconciler | Gauges | Retention] = [
        Relay(db, starter, settings.relay_interval_s),
        Reconciler(db, starter, settings.reconcile_interval_s),
        Gauges(db),
        Retention(db, settings),
    ]
    async with AsyncExitStack() as stack:
        for worker in workers(client, db, model, settings, **options):
            await stack.enter_async_context(worker)
        tasks = [asyncio.create_task(each.run()) for each in background]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def main(settings: Settings, model: LanguageModel | None = None) -> None:
    """Run a worker until SIGTERM or SIGINT, then finish what is under way (`REDRAFT_GRACEFUL_SHUTDOWN_S`).

    `model` None: the one that the settings name.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    start_metrics(settings)
    tracing = start_tracing("redraft-worker")
    model = model or language_model(settings, metrics=ModelMetrics())
    db = Database.connect(settings)
    try:
        client = await _patiently(lambda: connect(settings), stop)
        if client is not None and await _migrated(db, stop):
            await register_search_attributes(client)
            async with running(client, db, model, settings):
                log.info("worker_started", task_queue=settings.task_queue, model=model.name)
                await stop.wait()
                log.info("worker_stopping")
    finally:
        await model.close()
        await db.close()
        if tracing is not None:
            tracing.shutdown()


async def _migrated(db: Database, stop: asyncio.Event) -> bool:
    """Wait until `redraft migrate` has made the tables; return False when asked to stop before.

    A database that does not answer is no reason to wait: all of a worker copes with that.
    """
    while not stop.is_set():
        with suppress(SQLAlchemyError, OSError):
            if not await is_migrated(db):
                log.warning("database_not_migrated", reason="the database has no tables yet; run `redraft migrate`")
                await _pause(stop)
                continue
        return True
    return False


async def _patiently(connecting: Callable[[], Awaitable[Client]], stop: asyncio.Event) -> Client | None:
    """Connect as soon as Temporal is there, or return None when asked to stop."""
    while not stop.is_set():
        try:
            return await connecting()
        except RuntimeError as error:
            log.warning("temporal_unreachable", reason=str(error).splitlines()[0])
            await _pause(stop)
    return None


async def _pause(stop: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), RECONNECT_S)
