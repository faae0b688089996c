"""A customer with something on every page of the console, made by the core's own functions; nothing runs for it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from redraft.domain.access import Scope
from redraft.domain.audits import AuditDraft, create_audit
from redraft.domain.checks import check_draft
from redraft.domain.customers import create_key, list_users, update_customer
from redraft.domain.evidence import Evaluation
from redraft.domain.ledger import CallKey, Settlement, reserve, settle
from redraft.domain.optimizations.arms import VariantDraft, store_arms
from redraft.domain.optimizations.concluding import conclude
from redraft.domain.optimizations.design import design_of_mode
from redraft.domain.optimizations.opening import OptimizationRequest, open_optimization
from redraft.domain.optimizations.states import claim_slot
from redraft.domain.optimizations.steps import plan_step
from redraft.domain.optimizations.trials import TrialOutcome, load_trial, store_trial
from redraft.domain.personas import BUILT_IN
from redraft.domain.prompts import PromptDraft, PromptUpdate, create_prompt, update_prompt
from redraft.domain.proposals.deciding import DecisionRequest, decide
from redraft.domain.proposals.drafts import FinishedDraft, store_draft
from redraft.domain.proposals.opening import ProposalRequest, open_proposal
from redraft.domain.traces import TraceDraft, record_trace
from redraft.embedded.sample import sample
from redraft.settings import Settings
from redraft.store.database import Database
from redraft.store.ids import derived_id, new_id
from redraft.store.tables import Audit, Optimization, Prompt, Proposal, Trial, Variant
from redraft.store.tables.base import now
from tests.support.gallery_schedules import furnish_schedules
from tests.support.gallery_webhooks import furnish_webhooks

RULES = (
    "- Never say that an appointment is booked before `book_appointment` has confirmed it.",
    "- Repeat date and time back to the caller, and wait for a yes, before you book.",
    "- When the slot is taken, offer the two nearest free ones instead of ending the call.",
)
SCENARIOS = (
    "Moves a check-up to another day",
    "Toothache at night",
    "The slot is taken",
    "Asks for two children at once",
)
MODEL = "gemini-2.5-pro"


@dataclass
class Gallery:
    """Ids of what was made, by what it shows."""

    customer_id: UUID
    prompt: UUID
    ids: dict[str, UUID] = field(default_factory=dict)
    username: str = ""
    key: str = ""


class Furnisher:
    """Makes the records of one customer."""

    def __init__(self, database: Database, settings: Settings, customer_id: UUID, actor: str = "ada") -> None:
        self.db, self.settings, self.customer_id, self.actor = database, settings, customer_id, actor

    async def furnish(self, *, live: bool = True) -> Gallery:
        """Make everything; `live` False leaves the finished calls with outcomes out, which take seconds."""
        one = sample()
        prompt = await self.prompt(one.name, one.prompt.replace("- Ask for the caller's name and phone number.\n", ""))
        gallery = Gallery(self.customer_id, prompt.id)
        first = await self.audits(prompt.id, 3)
        if live:
            await self.calls(prompt.id, 120, 0.5, days_ago=16)
        gallery.ids["accepted"] = await self.written(prompt, first, one.prompt, "The name was never asked for.")
        await self.take(gallery.ids["accepted"], "accept", "Agreed with the front desk.")
        audits = await self.audits(prompt.id, len(one.calls))
        better = one.prompt.rstrip("\n") + "\n\n## Rules from reviewed conversations\n\n" + "\n".join(RULES) + "\n"
        better = better.replace("short, friendly sentences", "short, warm sentences")
        gallery.ids["waiting"] = await self.written(prompt, audits, better, _WHY)
        lost = better.replace("{{clinic_name}}", "Smile Dental").replace("{{opening_hours}}", "8 to 6")
        gallery.ids["blocked"] = await self.written(prompt, audits[:2], lost, "Shorter, and easier to say aloud.")
        gallery.ids["rejected"] = await self.written(prompt, audits[:1], one.prompt + "\nBe brief.\n", "Brevity.")
        await self.take(gallery.ids["rejected"], "reject", "Too thin: one call is no evidence.")
        gallery.ids["writing"] = await self.opened(prompt, audits)
        if live:
            await self.calls(prompt.id, 140, 0.93)
        gallery.ids["won"] = await self.experiment(prompt, 18.0, better, finish=True)
        gallery.ids["race"] = await self.experiment(prompt, 6.0, better, finish=False)
        gallery.ids["drifted"] = await self._drifted()
        gallery.ids["schedule"], gallery.ids["paused"] = await furnish_schedules(
            self.db, self.settings, self.customer_id, prompt.id, gallery.ids["waiting"]
        )
        gallery.ids["webhook"], gallery.ids["delivery"] = await furnish_webhooks(
            self.db, self.settings, self.customer_id
        )
        async with self.db.tenant(self.customer_id) as session:
            await update_customer(session, self.customer_id, {"monthly_budget_usd": Decimal("40")})
            for name, scope in (("Phone bot, production", Scope.WRITE), ("Dashboard", Scope.READ)):
                gallery.ids["key"] = (await create_key(session, self.customer_id, name, scope)).key.id
            gallery.ids["user"] = (await list_users(session, None, 1)).items[0].id
            gallery.ids["version"] = (await session.get_one(Prompt, prompt.id)).current_version_id or new_id()
            trials = select(Trial.id).join(Variant, col(Variant.id) == Trial.variant_id)
            winners = trials.where(Trial.optimization_id == gallery.ids["won"], Variant.position == 1)
            gallery.ids["trial"] = (await session.exec(winners.limit(1))).one()
        gallery.ids["audit"] = audits[0].id
        return gallery

    async def _drifted(self) -> UUID:
        prompt = await self.prompt("Hotel front desk", _HOTEL)
        audits = await self.audits(prompt.id, 2)
        proposal = await self.written(prompt, audits, _HOTEL + "\nNever quote a price without the tax.\n", "Prices.")
        async with self.db.tenant(self.customer_id) as session:
            update = PromptUpdate(text=_HOTEL.replace("11", "12"))
            await update_prompt(session, prompt.id, update, "grace")
        return proposal

    async def prompt(self, name: str, text: str) -> Prompt:
        """Make a prompt."""
        async with self.db.tenant(self.customer_id) as session:
            draft = PromptDraft(name, text, engine_model=MODEL)
            return (await create_prompt(session, self.customer_id, draft, self.actor)).prompt

    async def audits(self, prompt_id: UUID, number: int) -> list[Audit]:
        """Record calls of the current version with one audit each, from the sample."""
        made = []
        for call in (sample().calls * (1 + number // len(sample().calls)))[:number]:
            async with self.db.tenant(self.customer_id) as session:
                trace = await record_trace(session, self.customer_id, TraceDraft(prompt_id, call.messages))
                judged = Evaluation.model_validate(call.evaluation([message["id"] for message in trace.messages]))
                made.append(await create_audit(session, self.customer_id, AuditDraft(trace.id, evaluation=judged)))
        return made

    async def calls(self, prompt_id: UUID, number: int, success: float, days_ago: float = 0.0) -> None:
        """Record finished calls of the current version with outcome, cost and time."""
        chance = random.Random(number)
        async with self.db.tenant(self.customer_id) as session:
            for _ in range(number):
                ago = timedelta(days=days_ago + 12 * chance.random())
                draft = TraceDraft(
                    prompt_id,
                    [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello!"}],
                    started_at=now() - ago - timedelta(minutes=5),
                    duration_ms=1_000 * chance.lognormvariate(4, 0.4),
                    success=chance.random() < success,
                    cost_usd=Decimal(str(round(chance.uniform(0.01, 0.04), 4))),
                )
                await record_trace(session, self.customer_id, draft)

    async def opened(self, prompt: Prompt, audits: list[Audit]) -> UUID:
        """Open a proposal that stays in progress."""
        proposal_id = new_id()
        request = ProposalRequest(
            id=proposal_id,
            customer_id=self.customer_id,
            prompt_id=prompt.id,
            audit_ids=tuple(audit.id for audit in audits),
            language="",
            actor=self.actor,
            workflow_id=f"proposal-{proposal_id}",
        )
        async with self.db.tenant(self.customer_id) as session:
            await open_proposal(session, request, default_limit=1_000)
        return proposal_id

    async def written(self, prompt: Prompt, audits: list[Audit], text: str, rationale: str) -> UUID:
        """Open a proposal and give it a draft, so that it waits for a decision."""
        proposal_id = await self.opened(prompt, audits)
        await self.paid("proposal", proposal_id, prompt.id, 0.0412)
        async with self.db.tenant(self.customer_id) as session:
            original = (await session.get_one(Proposal, proposal_id)).original_prompt
            changes = [
                {"summary": rule.removeprefix("- "), "audit_ids": [str(audits[at % len(audits)].id)], "message_ids": []}
                for at, rule in enumerate(RULES)
                if rule in text
            ]
            checks = [check.model_dump() for check in check_draft(original, text)]
            draft = FinishedDraft(text, rationale, MODEL, "propose-1", changes, checks)
            await store_draft(session, proposal_id, draft)
        return proposal_id

    async def take(self, proposal_id: UUID, action: Any, note: str) -> None:
        """Decide on a proposal."""
        async with self.db.tenant(self.customer_id) as session:
            settled = await decide(session, proposal_id, DecisionRequest(action, self.actor, note=note))
        assert settled.refusal is None, settled.refusal

    async def paid(
        self, purpose: str, subject: UUID, prompt_id: UUID, usd: float, optimization: UUID | None = None
    ) -> None:
        """Book a model call."""
        key = CallKey(self.customer_id, purpose, subject, 0, prompt_id, optimization)
        async with self.db.tenant(self.customer_id) as session:
            call = await reserve(session, key, MODEL, Decimal(str(usd * 2)), None)
            await settle(session, call.id, Settlement("ok", Decimal(str(usd)), 3_900, 820))

    async def experiment(self, prompt: Prompt, lift: float, winning: str, *, finish: bool) -> UUID:
        """Run an experiment by the decision rule, on scores made up here; `finish` False leaves it running."""
        optimization_id = new_id()
        design = design_of_mode(self.settings, "validation", 3)
        request = OptimizationRequest(
            id=optimization_id,
            customer_id=self.customer_id,
            prompt_id=prompt.id,
            actor=self.actor,
            mode="validation",
            personas=[persona.model_dump(mode="json") for persona in BUILT_IN],
            design={**design, "cells": 120},
            plan={"maxTrials": 490, "maxTurns": 10, "maxCalls": 9_800, "maxCostUsd": 12.5},
            workflow_id=f"optimization-{optimization_id}",
        )
        scenarios = [
            {
                "id": str(derived_id(optimization_id, name)),
                "name": name,
                "situation": f"{name}.",
                "goal": "To be helped.",
            }
            for name in SCENARIOS
        ]
        drafts = [
            VariantDraft("Repeat before booking", winning, "Repeating date and time prevents wrong bookings."),
            VariantDraft("Fewer words", winning.replace("friendly", "very short"), "Callers lose patience."),
            VariantDraft(
                "Ask one thing at a time", winning + "\nAsk one question at a time.\n", "It is less to keep in mind."
            ),
        ]
        async with self.db.tenant(self.customer_id) as session:
            await open_optimization(session, request)
            await claim_slot(session, optimization_id, 10)
            await store_arms(session, optimization_id, drafts, scenarios)
        chance = random.Random(7)
        for _ in range(200 if finish else 6):
            async with self.db.tenant(self.customer_id) as session:
                step = await plan_step(session, optimization_id)
                for ref in step.trials:
                    basis = await load_trial(session, optimization_id, ref)
                    assert basis is not None
                    luck = random.Random(f"{ref.cell}").gauss(0, 12)
                    score = 58 + luck + chance.gauss(0, 6) + (0.0, lift, -4.0, lift / 3)[ref.position]
                    await store_trial(session, basis, "experiment", _outcome(min(100.0, max(0.0, score)), ref.position))
            if step.ended:
                break
        await self.paid("optimization", optimization_id, prompt.id, 3.18 if finish else 0.61, optimization_id)
        if finish:
            async with self.db.tenant(self.customer_id) as session:
                await conclude(session, optimization_id, "")
                record = await session.get_one(Optimization, optimization_id)
                assert record.results is not None
        else:
            async with self.db.tenant(self.customer_id) as session:
                await plan_step(session, optimization_id)
        return optimization_id


def _outcome(score: float, position: int) -> TrialOutcome:
    asked = "So that is Tuesday the third at 9 – shall I book it?" if position == 1 else "Done, you are booked."
    transcript = [
        {"role": "persona", "content": "Hi, I'd like to move my check-up. I have already called once about this."},
        {"role": "agent", "content": "I am sorry about that. Which day would suit you?"},
        {"role": "persona", "content": "Tuesday morning, if there is anything."},
        {"role": "agent", "content": asked},
        {"role": "persona", "content": "Yes, please." if position == 1 else "Wait, at what time?"},
    ]
    metrics = {"taskCompletion": score, "sentiment": min(100.0, score + 4), "quality": max(0.0, score - 4)}
    reasons = {"taskCompletion": "The appointment was moved.", "quality": "Short and clear."}
    return TrialOutcome(transcript, 5, metrics, score, reasons, [], "", Decimal("0.006"))


_WHY = (
    "Three faults come back in these calls: the date is not repeated before booking, a taken slot ends the talk,"
    " and a failed booking is announced as done. The draft adds one rule for each and leaves everything else as it is."
)
_HOTEL = "You are at the front desk of {{hotel}}.\nCheck-out is at 11.\nBe brief and polite.\n"
