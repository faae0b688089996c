"""From the core's errors to Temporal's."""

from __future__ import annotations

from datetime import timedelta

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from redraft.domain.errors import RedraftError
from redraft.domain.ledger import CallKey, failures
from redraft.domain.metering import proposal_error
from redraft.llm.port import ModelError
from redraft.store.database import Database
from workflows.contracts import Refusal

GREATEST_DELAY_S = 60.0


class NoSlot(ApplicationError):
    """As many as may are at work already: Temporal asks again later. Nothing is wrong, so nothing is logged."""

    def __init__(self, message: str) -> None:
        super().__init__(message, type="NoSlot", category=ApplicationErrorCategory.BENIGN)


def backoff(times: int) -> timedelta:
    """Return how long to wait after the n-th failure: 1, 2, 4, … s, at most a minute."""
    return timedelta(seconds=min(2.0 ** (times - 1), GREATEST_DELAY_S))


async def model_failure(db: Database, key: CallKey, error: ModelError, allowed: int) -> ApplicationError:
    """Return the failure of an activity whose model call failed; `allowed` failures of this piece of work end it.

    The details are the record's published error and a sentence for its `note`. The provider's wish for a delay wins.
    """
    async with db.tenant(key.customer_id) as session:
        failed = await failures(session, key)
    wish = error.retry_after_s
    return ApplicationError(
        error.message,
        proposal_error(error),
        error.message,
        type=error.code,
        non_retryable=failed >= allowed or not error.retryable,
        next_retry_delay=backoff(max(failed, 1)) if wish is None else timedelta(seconds=wish),
    )


def refusal(error: RedraftError) -> Refusal:
    """Return a rule's no as a value: a refused request is a result of its activity, not a fault of it."""
    return Refusal(
        kind=error.kind,
        code=error.code,
        message=error.message,
        details=error.details,
        retry_after_s=error.retry_after_s,
    )
