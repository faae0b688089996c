"""Optimizations in a world whose model is scripted: variants with a known true quality."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from redraft.domain.optimizations.deciding import OptimizationDecision
from redraft.store.ids import new_id
from redraft.store.tables import Optimization, Prompt, Trial, Variant
from tests.support.fake_gemini import FakeGemini
from tests.support.scripted_model import ScriptedWorld, with_quality
from tests.support.worlds import World, eventually, world
from workflows.optimization_contracts import OpenOptimization

CONTROL_QUALITY = 0.1
# Small enough for a test, large enough for the rule to see that .97 beats .3 when all arms meet the same luck.
SMALL = {"exploratory_cells": 12, "look_every_cells": 4}


class Lab:
    """A world that runs experiments."""

    def __init__(self, made: World, prompt: Prompt) -> None:
        self.world = made
        self.prompt = prompt

    async def start(self, **options: Any) -> UUID:
        """Open an optimization of the prompt and return its id."""
        optimization_id: UUID = options.pop("optimization_id", None) or new_id()
        values: dict[str, Any] = {"mode": "exploratory", "variant_count": 1, "actor": "tester", **options}
        request = OpenOptimization(
            customer_id=self.world.customer_id, optimization_id=optimization_id, prompt_id=self.prompt.id, **values
        )
        await self.world.gateway.open_optimization(request)
        return optimization_id

    async def record(self, optimization_id: UUID) -> Optimization:
        """Read the record."""
        return await self.world.get(Optimization, optimization_id)

    async def until(self, optimization_id: UUID, *statuses: str) -> Optimization:
        """Wait until the record has one of these statuses."""
        return await eventually(
            lambda: self.record(optimization_id), lambda record: record.status in statuses, str(statuses), 90
        )

    async def decide(self, optimization_id: UUID, action: Any, **options: Any) -> Optimization:
        """Decide through the workflow and return the record; raises the refusal."""
        decision = OptimizationDecision(action, "tester", **options)
        await self.world.gateway.decide_optimization(self.world.customer_id, optimization_id, decision)
        return await self.record(optimization_id)

    async def variants(self, optimization_id: UUID) -> list[Variant]:
        """Read the arms, the control first."""
        statement = select(Variant).where(Variant.optimization_id == optimization_id).order_by(col(Variant.position))
        async with self.world.db.tenant(self.world.customer_id) as session:
            return list(await session.exec(statement))

    async def trials(self, optimization_id: UUID) -> list[Trial]:
        """Read the trials."""
        statement = select(Trial).where(Trial.optimization_id == optimization_id).order_by(col(Trial.id))
        async with self.world.db.tenant(self.world.customer_id) as session:
            return list(await session.exec(statement))


@asynccontextmanager
async def laboratory(
    database_url: str,
    temporal_address: str,
    gemini: FakeGemini,
    script: ScriptedWorld,
    *,
    control: float = CONTROL_QUALITY,
    **changes: Any,
) -> AsyncIterator[Lab]:
    """A world with a worker, whose model plays `script`, and a prompt of quality `control`."""
    gemini.default(script.reply)
    async with world(database_url, temporal_address, gemini, **{**SMALL, **changes}) as made:
        yield Lab(made, await made.prompt(with_quality("You book tables for {{restaurant}}.", control)))
