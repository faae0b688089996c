"""From the core's errors to Temporal's."""

from __future__ import annotations

from datetime import timedelta

from temporalio.exceptions import ApplicationError

from redraft.domain.errors import RedraftError
from redraft.domain.metering import proposal_error
from redraft.llm.port import ModelError
from workflows.contracts import Refusal


def model_failure(error: ModelError, *, last: bool) -> ApplicationError:
    """Return the failure of an activity whose model call failed; `last`: asking again is no use or not allowed.

    The details are the record's published error and a sentence for its `note`.
    """
    delay = error.retry_after_s
    return ApplicationError(
        error.message,
        proposal_error(error),
        error.message,
        type=error.code,
        non_retryable=last or not error.retryable,
        next_retry_delay=None if delay is None else timedelta(seconds=delay),
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
