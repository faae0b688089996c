"""Opening a proposal: refused, late, repeated, or never."""

from __future__ import annotations

import pytest

from redraft.domain.errors import RedraftError
from tests.support.model_replies import auto, hang
from tests.support.worlds import World


async def test_a_refused_request_may_be_repeated_when_there_is_room(here: World) -> None:
    """As clients do with one Idempotency-Key: the refusal is no answer that sticks."""
    here.gemini.default(hang())
    prompt = await here.prompt()
    audits = await here.audits(prompt.id)
    first = [await here.open(prompt, audits) for _ in range(3)]
    request = here.request(prompt, audits)
    with pytest.raises(RedraftError, match="too many in-flight"):
        await here.gateway.open_proposal(request)
    await here.decide(first[0].id, "reject")
    here.gemini.default(auto())
    await here.gateway.open_proposal(request)
    assert (await here.until(request.id, "completed")).status == "completed"
