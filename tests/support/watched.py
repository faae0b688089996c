"""A prompt whose accepted change is watched, and live traces of it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlmodel import select

from redraft.domain.live.documents import Document
from redraft.domain.live.ingest import Report, ingest
from redraft.domain.prompts import PromptUpdate, update_prompt
from redraft.store.tables import Prompt, PromptVersion, Watch
from redraft.store.tables.base import now
from tests.support.worlds import World, eventually


@dataclass
class Watched:
    """One watched prompt in a world, at the version that an accepted proposal made."""

    world: World
    prompt: Prompt

    async def settings(self, **fields: bool) -> None:
        """Change `watched` or `auto_restore`."""
        async with self.world.db.tenant(self.world.customer_id) as session:
            await update_prompt(session, self.prompt.id, PromptUpdate(fields=fields), "tester")

    async def accept(self) -> None:
        """Have a proposal made and accept it."""
        proposal = await self.world.open(self.prompt)
        await self.world.until(proposal.id, "completed")
        await self.world.decide(proposal.id, "accept")

    async def versions(self) -> list[PromptVersion]:
        """Return the prompt's versions, oldest first."""
        statement = select(PromptVersion).where(PromptVersion.prompt_id == self.prompt.id)
        async with self.world.db.tenant(self.world.customer_id) as session:
            return sorted(await session.exec(statement), key=lambda version: version.number)

    async def outcomes(self, version_id: UUID, successes: int, failures: int) -> None:
        """Record traces of a version."""
        documents = [
            Document("completed", now(), success=number < successes, prompt_version_id=version_id)
            for number in range(successes + failures)
        ]
        async with self.world.db.tenant(self.world.customer_id) as session:
            await ingest(session, self.world.customer_id, [Report(uuid4(), document) for document in documents])

    async def watches(self) -> list[Watch]:
        """Return the prompt's watches, oldest first."""
        statement = select(Watch).where(Watch.prompt_id == self.prompt.id)
        async with self.world.db.tenant(self.world.customer_id) as session:
            return sorted(await session.exec(statement), key=lambda watch: watch.created_at)

    async def until_looked(self, looks: int) -> None:
        """Wait until the newest watch has looked so often."""
        await eventually(self.watches, lambda found: bool(found) and found[-1].looks >= looks, f"{looks} looks")

    async def until(self, *statuses: str) -> Watch:
        """Wait until the newest watch has one of these statuses."""
        watches = await eventually(
            self.watches, lambda found: bool(found) and found[-1].status in statuses, str(statuses)
        )
        return watches[-1]
