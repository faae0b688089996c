"""An optimization as its page shows it: scoreboard, spend, verdict in a sentence, trials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from console.views.charts import SLIM, WIDE, Chart, forest
from console.views.diffs import Comparison, compare
from redraft.domain.optimizations.reading import get_optimization, variants_of
from redraft.domain.optimizations.states import RUNNING_STATES, has_drifted
from redraft.store.tables import Decision, Optimization, Prompt, Variant


@dataclass(frozen=True, slots=True)
class Arm:
    """A line of the scoreboard; scores and differences in points of 100, confidence 0..1."""

    variant_id: str
    name: str
    control: bool
    trials: int
    mean: float | None
    difference: float | None
    low: float | None
    high: float | None
    confidence: float | None
    live: bool
    dropped: str
    winner: bool
    applied: bool


@dataclass(frozen=True, slots=True)
class Board:
    """Where an optimization stands; compared with what it was to tell whether anything changed."""

    id: UUID
    prompt_id: UUID
    state: str
    reason: str
    note: str
    verdict: str
    promise: str
    trials: int
    most_trials: int
    usd: Decimal
    most_usd: Decimal | None
    arms: tuple[Arm, ...]
    regressions: int
    decided_by: str
    decided_at: datetime | None
    minimum_lift: float

    @property
    def running(self) -> bool:
        """Whether trials still come in."""
        return self.state in RUNNING_STATES

    @property
    def charts(self) -> list[Chart]:
        """The differences from the control with their intervals, for a wide page and for a slim one."""
        variants = [arm for arm in self.arms if not arm.control]
        return [forest(variants, self.minimum_lift, shape) for shape in (WIDE, SLIM)]


async def board_of(session: AsyncSession, optimization_id: UUID) -> Board:
    """Return where an optimization stands. Raises NOT_FOUND."""
    record = await get_optimization(session, optimization_id)
    await session.refresh(record)
    prompt = await session.get_one(Prompt, record.prompt_id)
    variants = await variants_of(session, optimization_id)
    for variant in variants:
        await session.refresh(variant)
    arms = tuple(_arms(record, variants))
    maximum = record.max_cost_usd
    if maximum is None and record.plan.get("maxCostUsd"):
        maximum = Decimal(str(record.plan["maxCostUsd"]))
    return Board(
        id=record.id,
        prompt_id=record.prompt_id,
        state=state_of_record(record, prompt),
        reason=record.reason,
        note=await _decision_note(session, optimization_id) or record.note,
        verdict=verdict(record, arms),
        promise=_promise(record),
        trials=record.trials_done,
        most_trials=int(record.plan.get("maxTrials", 0)),
        usd=record.cost_usd,
        most_usd=maximum,
        arms=arms,
        regressions=len((record.results or {}).get("regressions", ())),
        decided_by=record.decided_by,
        decided_at=record.decided_at,
        minimum_lift=float(record.design.get("minimum_lift", 0.0)),
    )


@dataclass(frozen=True, slots=True)
class VariantText:
    """A variant beside the prompt that it would replace."""

    id: str
    name: str
    hypothesis: str
    text: str
    original: str

    @property
    def comparison(self) -> Comparison:
        """What it changes; made when it is shown, so that looking whether anything is new costs nothing."""
        return compare(self.original, self.text)


@dataclass(frozen=True, slots=True)
class Variants:
    """The variants of an optimization, none while they are being written; `winner` is an id, or ""."""

    arms: tuple[VariantText, ...]
    winner: str
    running: bool


async def variant_texts(session: AsyncSession, optimization_id: UUID) -> Variants:
    """Return the variants without the control. Raises NOT_FOUND."""
    record = await get_optimization(session, optimization_id)
    arms = (await variants_of(session, optimization_id))[1:]
    return Variants(
        tuple(VariantText(str(arm.id), arm.name, arm.hypothesis, arm.text, record.original_prompt) for arm in arms),
        (record.results or {}).get("winningVariantId") or "",
        record.status in RUNNING_STATES,
    )


async def _decision_note(session: AsyncSession, optimization_id: UUID) -> str:
    """Return what was said when it was applied, dismissed or stopped; "" when nothing was."""
    said = select(Decision.note).where(Decision.subject_id == optimization_id).order_by(col(Decision.id).desc())
    return (await session.exec(said.limit(1))).one_or_none() or ""


def state_of_record(record: Optimization, prompt: Prompt) -> str:
    """Return the state in the words of the console: a completed record may be decided, or out of date."""
    if record.applied_variant_id is not None:
        return "applied"
    if record.dismissed_at is not None:
        return "dismissed"
    if record.status == "completed" and (record.error == "drifted" or has_drifted(prompt, record)):
        return "drifted"
    return record.status


def _arms(record: Optimization, variants: list[Variant]) -> list[Arm]:
    lines = {line["variantId"]: line for line in record.scoreboard}
    winner = (record.results or {}).get("winningVariantId")
    return [_arm(variant, lines.get(str(variant.id), {}), record, winner) for variant in variants]


def _arm(variant: Variant, line: dict[str, Any], record: Optimization, winner: str | None) -> Arm:
    low, high = line.get("difference_interval") or (None, None)
    return Arm(
        variant_id=str(variant.id),
        name=variant.name,
        control=variant.position == 0,
        trials=line.get("cells", 0),
        mean=line.get("mean"),
        difference=line.get("difference"),
        low=low,
        high=high,
        confidence=line.get("confidence"),
        live=bool(line.get("live", True)),
        dropped=variant.dropped,
        winner=str(variant.id) == winner,
        applied=variant.id == record.applied_variant_id,
    )


def _promise(record: Optimization) -> str:
    delta = record.design.get("delta")
    if delta is None:
        return ""
    return (
        f"When no variant is better, this kind of experiment names a winner in at most {100 * float(delta):.0f} of 100"
        " cases, however often one looks."
    )


def verdict(record: Optimization, arms: tuple[Arm, ...]) -> str:
    """Return the outcome in a sentence that needs no statistics."""
    if record.status in RUNNING_STATES:
        return _so_far(record, arms)
    points = f"{float(record.design.get('minimum_lift', 0)):g} points of 100"
    sentences = {
        "winner": _won(record, arms),
        "control_is_best": f"Keep the prompt as it is: every variant was shown to gain less than {points}.",
        "no_difference_found": "Keep the prompt as it is: no variant was shown to be better. They may still differ by"
        " less than this experiment can see.",
        "budget_spent": "The budget was spent before there was an answer, so nothing is known that would speak for a"
        " change.",
        "stopped": f"Stopped{f' by {record.decided_by}' if record.decided_by else ''} before there was an answer.",
        "drifted": "Stopped, because the prompt moved to another version while the experiment ran.",
        "prompt_deleted": "Stopped, because the prompt was deleted.",
    }
    if record.status == "failed":
        return "It failed, so there is no answer."
    return sentences.get(record.reason, "It ended without an answer.")


def _won(record: Optimization, arms: tuple[Arm, ...]) -> str:
    winner = next((arm for arm in arms if arm.winner), None)
    if winner is None:
        return "It ended with a winner."
    better = "is better than the prompt as it is"
    if winner.difference is None or winner.low is None or winner.high is None:
        return f"“{winner.name}” {better}."
    low = f"at least {winner.low:.0f} and " if winner.low >= 1 else ""
    return (
        f"“{winner.name}” {better}: about {winner.difference:.0f} points of 100 more on the same conversations"
        f" ({low}at most {winner.high:.0f})."
    )


def _so_far(record: Optimization, arms: tuple[Arm, ...]) -> str:
    if record.status == "queued":
        return "It waits for its turn: others of yours are running."
    measured = [arm for arm in arms if arm.difference is not None and arm.live]
    if not measured:
        return "Too early to say anything: the first conversations are being held."
    best = max(measured, key=lambda arm: arm.difference or 0.0)
    if best.difference is not None and best.difference > 0:
        return f"Too early to decide. So far “{best.name}” is ahead by about {best.difference:.0f} points of 100."
    return "Too early to decide. So far no variant is ahead of the prompt as it is."
