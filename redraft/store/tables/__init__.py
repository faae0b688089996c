"""The tables. Importing this module fills `SQLModel.metadata`."""

from redraft.store.tables.customers import AccessKey, Customer, IdempotencyKey, RateWindow, Secret, User
from redraft.store.tables.events import Event
from redraft.store.tables.evidence import Audit
from redraft.store.tables.operations import ModelCall, OutboxEvent, Spend
from redraft.store.tables.optimizations import Optimization, Persona, Scenario, Trial, Variant
from redraft.store.tables.prompts import Prompt, PromptVersion
from redraft.store.tables.proposals import Decision, Proposal, ProposalAudit
from redraft.store.tables.runs import ProposalRun, Run
from redraft.store.tables.schedules import Schedule, ScheduleRun, ScheduleSpend
from redraft.store.tables.traces import (
    LatencyBin,
    LatencyValue,
    PromptUsage,
    Span,
    Trace,
    TraceKey,
    VersionFigures,
)
from redraft.store.tables.watches import Watch
from redraft.store.tables.webhooks import Webhook, WebhookAttempt, WebhookDelivery

__all__ = [
    "AccessKey",
    "Audit",
    "Customer",
    "Decision",
    "Event",
    "IdempotencyKey",
    "LatencyBin",
    "LatencyValue",
    "ModelCall",
    "Optimization",
    "OutboxEvent",
    "Persona",
    "Prompt",
    "PromptUsage",
    "PromptVersion",
    "Proposal",
    "ProposalAudit",
    "ProposalRun",
    "RateWindow",
    "Run",
    "Scenario",
    "Schedule",
    "ScheduleRun",
    "ScheduleSpend",
    "Secret",
    "Span",
    "Spend",
    "Trace",
    "TraceKey",
    "Trial",
    "User",
    "Variant",
    "VersionFigures",
    "Watch",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
]
