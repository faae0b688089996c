"""Where a version came from: what made it, who decided, on which evidence."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from redraft.store.tables import Decision, Prompt, PromptVersion


@dataclass(frozen=True, slots=True)
class Lineage:
    """A version with the decision that made it and, where there are such, the numbers it goes back to.

    `basis` is the number of the version that its proposal or optimization started from or, for other changes, of the
    one that was current; None for the first. `restored_from` is the number of the version whose text it has again.
    """

    version: PromptVersion
    current: bool
    decision: Decision | None
    basis: int | None
    restored_from: int | None


async def lineage_of(session: AsyncSession, version: PromptVersion) -> Lineage:
    """Return where a version came from."""
    decided = select(Decision).where(Decision.version_id == version.id).order_by(col(Decision.created_at)).limit(1)
    prompt = await session.get_one(Prompt, version.prompt_id)
    return Lineage(
        version=version,
        current=prompt.current_version_id == version.id,
        decision=(await session.exec(decided)).one_or_none(),
        basis=await _basis_of(session, version),
        restored_from=await _restored_from(session, version),
    )


async def _basis_of(session: AsyncSession, version: PromptVersion) -> int | None:
    """Return the highest number that there was when the version was made: what is committed is never on another."""
    earlier = (
        select(PromptVersion.number)
        .where(
            PromptVersion.prompt_id == version.prompt_id,
            PromptVersion.number < version.number,
            col(PromptVersion.created_at) <= version.created_at,
        )
        .order_by(col(PromptVersion.number).desc())
        .limit(1)
    )
    return (await session.exec(earlier)).one_or_none()


async def number_before(session: AsyncSession, version: PromptVersion) -> int:
    """Return the next lower number of the same prompt; the version's own when it is the lowest."""
    lower = select(func.max(PromptVersion.number)).where(
        PromptVersion.prompt_id == version.prompt_id, PromptVersion.number < version.number
    )
    return (await session.exec(lower)).one() or version.number


async def _restored_from(session: AsyncSession, version: PromptVersion) -> int | None:
    if version.restored_from is None:
        return None
    return (await session.exec(select(PromptVersion.number).where(PromptVersion.id == version.restored_from))).one()
