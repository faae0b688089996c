"""Lives of a watch."""

from __future__ import annotations

from redraft.domain.prompts import PromptUpdate, update_prompt
from tests.support.watched import Watched
from tests.support.worlds import World, eventually
from workflows.ids import watch_workflow_id


async def watch_worse(here: World) -> str:
    """Looked, waited, looked again, found the change worse and restored what was before."""
    watched = Watched(here, await here.prompt())
    await watched.settings(watched=True, auto_restore=True)
    await watched.accept()
    await eventually(watched.watches, lambda found: bool(found) and found[0].looks > 1, "looked at twice")
    first, second = await watched.versions()
    await watched.outcomes(first.id, 90, 10)
    await watched.outcomes(second.id, 10, 90)
    return watch_workflow_id((await watched.until("worse")).id)


async def watch_moved(here: World) -> str:
    """Ended, because somebody wrote another version."""
    watched = Watched(here, await here.prompt())
    await watched.settings(watched=True)
    await watched.accept()
    await watched.until("watching")
    async with here.db.tenant(here.customer_id) as session:
        await update_prompt(session, watched.prompt.id, PromptUpdate(text="Another."), "someone")
    return watch_workflow_id((await watched.until("ended")).id)


STORIES = (watch_worse, watch_moved)
