"""Lives of a webhook's delivery."""

from __future__ import annotations

from tests.support.receiver import Receiver
from tests.support.webhooks import Office
from tests.support.worlds import World
from workflows.ids import webhook_workflow_id


async def webhook_sent_again(here: World) -> str:
    """Failed, tried again, failed, and sent again by a person before the next attempt was due."""
    office = Office(here)
    async with Receiver() as receiver:
        receiver.answers(500, 503, 204)
        made = await office.webhook(receiver)
        delivery_id = await office.test(made.webhook)
        await receiver.until(2)
        await office.redeliver(made.webhook, delivery_id)
        await office.until(made.webhook, "delivered")
    return webhook_workflow_id(delivery_id)


async def webhook_gone(here: World) -> str:
    """Given up, because the endpoint is gone."""
    office = Office(here)
    async with Receiver() as receiver:
        receiver.answers(410)
        made = await office.webhook(receiver)
        delivery_id = await office.test(made.webhook)
        await office.until(made.webhook, "failed")
    return webhook_workflow_id(delivery_id)


STORIES = (webhook_sent_again, webhook_gone)
