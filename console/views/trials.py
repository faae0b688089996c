"""Trials as readable conversations: filtered, and control and variant of a cell side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from console.views.transcripts import Turn, turns_of
from redraft.domain.errors import not_found
from redraft.domain.optimizations.reading import get_optimization
from redraft.store.tables import Optimization, Trial, Variant

PAGE = 25
SCORES = {"low": (0.0, 40.0), "middle": (40.0, 70.0), "high": (70.0, 100.5)}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which trials to show; "" means any. `score` is a key of `SCORES`, or `fault`."""

    variant: str = ""
    persona: str = ""
    score: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class TrialLine:
    """A trial in a list."""

    trial: Trial
    variant: str
    control: bool
    persona: str
    scenario: str


@dataclass(frozen=True, slots=True)
class TrialPage:
    """One page of trials, and what can be chosen."""

    lines: list[TrialLine]
    total: int
    wanted: Wanted
    variants: list[tuple[str, str]]
    personas: list[tuple[str, str]]

    @property
    def more(self) -> bool:
        """Whether there is another page."""
        return self.wanted.page * PAGE < self.total


async def trial_page(session: AsyncSession, optimization: Optimization, wanted: Wanted) -> TrialPage:
    """Return one page of an optimization's trials, in the order of their cells."""
    conditions: list[Any] = [Trial.optimization_id == optimization.id, *_conditions(wanted)]
    statement = (
        select(Trial, Variant)
        .join(Variant, col(Variant.id) == Trial.variant_id)
        .where(*conditions)
        .order_by(col(Trial.kind), col(Trial.cell), col(Variant.position))
        .limit(PAGE)
        .offset((wanted.page - 1) * PAGE)
    )
    counting = select(func.count()).select_from(Trial).where(*conditions)
    arms = select(Variant).where(Variant.optimization_id == optimization.id).order_by(col(Variant.position))
    return TrialPage(
        lines=[line_of(optimization, trial, variant) for trial, variant in await session.exec(statement)],
        total=(await session.exec(counting)).one(),
        wanted=wanted,
        variants=[(str(variant.id), variant.name) for variant in await session.exec(arms)],
        personas=[(str(persona["id"]), str(persona["name"])) for persona in optimization.personas],
    )


def _conditions(wanted: Wanted) -> list[Any]:
    found: list[Any] = []
    if wanted.variant:
        try:
            found.append(Trial.variant_id == UUID(wanted.variant))
        except ValueError as error:
            raise not_found("variant") from error
    if wanted.persona:
        found.append(Trial.persona_id == wanted.persona)
    if wanted.score == "fault":
        found.append(Trial.fault != "")
    elif wanted.score in SCORES:
        low, high = SCORES[wanted.score]
        found += [col(Trial.score) >= low, col(Trial.score) < high]
    return found


def line_of(optimization: Optimization, trial: Trial, variant: Variant) -> TrialLine:
    """Return a trial with the names of what it was made of."""
    personas = {str(persona["id"]): str(persona["name"]) for persona in optimization.personas}
    scenarios = {str(one["id"]): str(one.get("name", "")) for one in optimization.scenarios}
    return TrialLine(
        trial,
        variant.name,
        variant.position == 0,
        personas.get(trial.persona_id, "–"),
        scenarios.get(str(trial.scenario_id), "–"),
    )


@dataclass(frozen=True, slots=True)
class Talk:
    """A trial with its conversation."""

    line: TrialLine
    turns: list[Turn]


@dataclass(frozen=True, slots=True)
class Pair:
    """The trials of one cell: the control, the one asked for, and links to the others."""

    optimization: Optimization
    scenario: dict[str, Any]
    talks: list[Talk]
    others: list[TrialLine]


async def pair_of(session: AsyncSession, optimization_id: UUID, trial_id: UUID) -> Pair:
    """Return a trial beside the control's in the same cell. Raises NOT_FOUND."""
    optimization = await get_optimization(session, optimization_id)
    trial = await session.get(Trial, trial_id)
    if trial is None or trial.optimization_id != optimization_id:
        raise not_found("Trial")
    statement = (
        select(Trial, Variant)
        .join(Variant, col(Variant.id) == Trial.variant_id)
        .where(Trial.optimization_id == optimization_id, Trial.kind == trial.kind, Trial.cell == trial.cell)
        .order_by(col(Variant.position))
    )
    lines = [line_of(optimization, one, variant) for one, variant in await session.exec(statement)]
    shown = [line for line in lines if line.control or line.trial.id == trial_id]
    if len(shown) == 1 and shown[0].control:
        shown += [line for line in lines if not line.control][:1]
    kept = {line.trial.id for line in shown}
    scenario = next((one for one in optimization.scenarios if str(one["id"]) == str(trial.scenario_id)), {})
    return Pair(
        optimization,
        scenario,
        [Talk(line, turns_of(line.trial.transcript)) for line in shown],
        [line for line in lines if line.trial.id not in kept],
    )
