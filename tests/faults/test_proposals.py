"""A model that misbehaves over real HTTP: the record ends as documented, and every call is booked."""

from __future__ import annotations

from decimal import Decimal

import pytest

from redraft.domain.errors import RedraftError
from tests.faults.cases import CASES, Case
from tests.faults.ledger import Trouble, entries
from tests.support.laws import broken_laws

ENDS = ("completed", "failed")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_record_ends_as_documented(trouble: Trouble, case: Case) -> None:
    record = await trouble.world.until(trouble.proposals[case.name], *ENDS)
    ledger = entries(trouble.database_url, record.id)
    assert (record.status, record.error) == (case.status, case.error)
    assert case.note in record.note
    assert tuple((entry.state, entry.outcome) for entry in ledger) == case.ledger
    assert trouble.calls(case.name) == len(case.ledger)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_record_names_what_its_calls_took(trouble: Trouble, case: Case) -> None:
    record = await trouble.world.until(trouble.proposals[case.name], *ENDS)
    ledger = entries(trouble.database_url, record.id)
    assert record.cost_usd == sum((entry.usd for entry in ledger), Decimal(0))
    assert record.prompt_tokens + record.output_tokens == sum(entry.tokens for entry in ledger)
    for entry in ledger:
        # Refused calls are free; lost ones count as much as they may have cost; answers cost what they used.
        refused = entry.outcome.isupper() or entry.outcome.removeprefix("Gemini").isupper()
        assert (entry.usd == 0) == refused, entry


async def test_the_provider_decides_how_long_to_wait(trouble: Trouble) -> None:
    """RetryInfo said 1.5 s, more than the second that would have been waited by itself."""
    record = await trouble.world.until(trouble.proposals["quota once"], *ENDS)
    first, second = entries(trouble.database_url, record.id)
    assert (second.created_at - first.created_at).total_seconds() >= 1.5


async def test_a_draft_without_its_variable_is_kept_with_the_failed_check_and_not_accepted(trouble: Trouble) -> None:
    record = await trouble.world.until(trouble.proposals["loses the variable"], *ENDS)
    failed = [check["name"] for check in record.checks if check["blocking"] and not check["passed"]]
    assert failed == ["template_variables"]
    with pytest.raises(RedraftError, match="blocking check"):
        await trouble.world.decide(record.id, "accept")
    assert (await trouble.world.decide(record.id, "accept", override=True)).status == "accepted"


async def test_a_draft_that_was_sent_back_passes_its_checks(trouble: Trouble) -> None:
    record = await trouble.world.until(trouble.proposals["finds the variable again"], *ENDS)
    assert all(check["passed"] for check in record.checks if check["blocking"])
    back = [call for call in trouble.world.gemini.calls if "[finds the variable again]" in call.text][1]
    assert "{{restaurant}}" in back.text.split("You book tables. Confirm the number.")[-1]


async def test_every_month_adds_up(trouble: Trouble) -> None:
    for proposal_id in trouble.proposals.values():
        await trouble.world.until(proposal_id, *ENDS, "accepted")
    assert broken_laws(trouble.database_url) == {}
