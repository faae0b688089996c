"""The tables. Importing this module fills `SQLModel.metadata`."""

from redraft.store.tables.customers import AccessKey, Customer, IdempotencyKey, RateWindow, Secret, User
from redraft.store.tables.evidence import Audit, Trace
from redraft.store.tables.operations import ModelCall, OutboxEvent, Spend
from redraft.store.tables.optimizations import Optimization, Persona, Scenario, Trial, Variant
from redraft.store.tables.prompts import Prompt, PromptVersion
from redraft.store.tables.proposals import Decision, Proposal, ProposalAudit

__all__ = [
    "AccessKey",
    "Audit",
    "Customer",
    "Decision",
    "IdempotencyKey",
    "ModelCall",
    "Optimization",
    "OutboxEvent",
    "Persona",
    "Prompt",
    "PromptVersion",
    "Proposal",
    "ProposalAudit",
    "RateWindow",
    "Scenario",
    "Secret",
    "Spend",
    "Trace",
    "Trial",
    "User",
    "Variant",
]
