"""The watch: an accepted change is compared live with what it replaced, and taken back when it is surely worse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.domain.commit import Change, commit, lock_prompt
from redraft.domain.errors import not_found
from redraft.domain.live.compare import outcomes_of
from redraft.domain.outbox import emit
from redraft.experiment.live import LEVEL, Difference, Outcomes, compare_rates
from redraft.store.tables import Prompt, PromptVersion, Watch
from redraft.store.tables.base import now

ACTOR = "watch"


async def begin(session: AsyncSession, version_id: UUID, previous_id: UUID) -> Watch | None:
    """Begin to watch a version, unless that is over before it began: the commit asked for it.

    Repeating it changes nothing. Returns the watch while it goes on, None where there is nothing to watch.
    """
    version = await session.get_one(PromptVersion, version_id)
    prompt = await lock_prompt(session, version.prompt_id, deleted_too=True)
    found = (await session.exec(select(Watch).where(Watch.version_id == version_id))).one_or_none()
    if found is not None:
        return found if found.status == "watching" else None
    if _why_over(prompt, version_id):
        return None
    watch = Watch(
        customer_id=prompt.customer_id, prompt_id=prompt.id, version_id=version_id, previous_version_id=previous_id
    )
    session.add(watch)
    await session.flush()
    await emit(session, watch.customer_id, "watch.started", watch.id, **_about(watch))
    return watch


async def get_watch(session: AsyncSession, watch_id: UUID) -> Watch:
    """Return a watch. Raises NOT_FOUND."""
    watch = await session.get(Watch, watch_id)
    if watch is None:
        raise not_found("Watch")
    return watch


async def list_watches(
    session: AsyncSession, prompt_id: UUID, limit: int, offset: int
) -> tuple[list[tuple[Watch, dict[UUID, int]]], int]:
    """Return one page of a prompt's watches, newest first, each with its versions' numbers; and how many there are."""
    mine = select(Watch).where(Watch.prompt_id == prompt_id)
    page = mine.order_by(col(Watch.created_at).desc(), col(Watch.id).desc()).limit(limit).offset(offset)
    watches = list(await session.exec(page))
    total = (await session.exec(select(func.count()).select_from(Watch).where(Watch.prompt_id == prompt_id))).one()
    versions = {version_id for watch in watches for version_id in _versions_of(watch)}
    rows = await session.exec(select(PromptVersion.id, PromptVersion.number).where(col(PromptVersion.id).in_(versions)))
    numbers = dict(rows.all())
    return [(watch, {each: numbers[each] for each in _versions_of(watch)}) for watch in watches], total


async def look(session: AsyncSession, watch_id: UUID, longest: timedelta) -> Watch:
    """Compare the two versions once; end the watch when that settles it, or when there is nothing left to watch.

    Looking is free: the intervals hold at all looks together (`redraft.experiment.live`), so at most 1 - LEVEL of the
    watches ever reach a wrong verdict, however often they look. A change that is worse is taken back through `commit`
    when the prompt says so, in this transaction: a look that is repeated finds the watch ended.
    """
    watch = await get_watch(session, watch_id)
    prompt = await lock_prompt(session, watch.prompt_id, deleted_too=True)
    await session.refresh(watch, with_for_update=True)
    if watch.status != "watching":
        return watch
    found = await outcomes_of(session, [watch.previous_version_id, watch.version_id])
    older, newer = found[watch.previous_version_id], found[watch.version_id]
    difference = compare_rates(older, newer)
    watch.seen, watch.looked_at, watch.looks = _seen(older, newer, difference), now(), watch.looks + 1
    if over := _why_over(prompt, watch.version_id):
        await _end(session, watch, "ended", over)
    elif difference.verdict != "no_difference_found":
        await _end(session, watch, difference.verdict)
        if difference.verdict == "worse" and prompt.auto_restore:
            await _restore(session, watch)
    elif now() - watch.created_at >= longest:
        await _end(session, watch, "ended", "time_over")
    session.add(watch)
    return watch


def _why_over(prompt: Prompt, version_id: UUID) -> str:
    if prompt.deleted_at is not None:
        return "deleted"
    if prompt.current_version_id != version_id:
        return "moved"
    return "" if prompt.watched else "switched_off"


async def _end(session: AsyncSession, watch: Watch, status: str, reason: str = "") -> None:
    watch.status, watch.reason, watch.ended_at = status, reason, now()
    facts: dict[str, Any] = {"reason": reason, "looks": watch.looks}
    await emit(session, watch.customer_id, f"watch.{status}", watch.id, **_about(watch), **facts)


async def _restore(session: AsyncSession, watch: Watch) -> None:
    previous = await session.get_one(PromptVersion, watch.previous_version_id)
    change = Change(
        prompt_id=watch.prompt_id,
        text=previous.text,
        source="watch",
        actor=ACTOR,
        action="restore",
        basis_version_id=watch.version_id,
        note=f"version {previous.number} restored: the change did worse live",
        restored_from=previous.id,
        evidence={"watch_id": str(watch.id), **watch.seen},
    )
    watch.restored_version_id = (await commit(session, change)).id


def _about(watch: Watch) -> dict[str, UUID]:
    return {
        "prompt_id": watch.prompt_id,
        "version_id": watch.version_id,
        "previous_version_id": watch.previous_version_id,
    }


def _versions_of(watch: Watch) -> list[UUID]:
    versions = [watch.version_id, watch.previous_version_id]
    return versions if watch.restored_version_id is None else [*versions, watch.restored_version_id]


def _seen(older: Outcomes, newer: Outcomes, difference: Difference) -> dict[str, object]:
    return {
        "previous": {"successes": older.successes, "failures": older.failures},
        "version": {"successes": newer.successes, "failures": newer.failures},
        "difference": difference.difference,
        "interval": list(difference.interval),
        "level": LEVEL,
    }
