"""How activities are retried, and which failures a workflow turns into a record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from workflows.contracts import ModelLimits
    from workflows.queues import model_queue, webhook_queue

# A database that is away comes back: these are tried for a day.
DATABASE_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=10)
)
HEARTBEAT_TIMEOUT = timedelta(seconds=10)


def database_options(summary: str) -> dict[str, Any]:
    """Return the options of an activity that is one short transaction; the death of its worker is noticed in 10 s."""
    return {
        "start_to_close_timeout": timedelta(seconds=10),
        "schedule_to_close_timeout": timedelta(days=1),
        "retry_policy": DATABASE_RETRY,
        "summary": summary,
    }


def reading_options(summary: str) -> dict[str, Any]:
    """Return the options of an activity that reads much in one transaction: heartbeating, for a minute at most."""
    return {
        **database_options(summary),
        "start_to_close_timeout": timedelta(minutes=1),
        "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    }


def model_options(limits: ModelLimits, summary: str) -> dict[str, Any]:
    """Return the options of an activity that calls a model: on the model queue, heartbeating, bounded.

    The death of its worker is noticed after the heartbeat timeout, 10 s, and the next attempt follows a second later,
    however many came before. Failures that the activity lives to report name their own delay, and the activity decides
    how often a failing model is asked again.
    """
    return {
        "task_queue": model_queue(workflow.info().task_queue),
        "start_to_close_timeout": timedelta(seconds=limits.start_to_close_s),
        "schedule_to_close_timeout": timedelta(days=7),
        "heartbeat_timeout": HEARTBEAT_TIMEOUT,
        "retry_policy": RetryPolicy(
            initial_interval=timedelta(seconds=1),
            backoff_coefficient=1,
            maximum_attempts=limits.attempts,
            non_retryable_error_types=["PayloadsTooLarge"],
        ),
        "summary": summary,
    }


def webhook_options(attempt_s: float, summary: str) -> dict[str, Any]:
    """Return the options of an activity that sends one webhook: on its own queue, tried again until it is recorded.

    What the endpoint answers is a result. Only trouble of ours, a database away or a worker that died, is retried here.
    """
    return {
        **database_options(summary),
        "task_queue": webhook_queue(workflow.info().task_queue),
        "start_to_close_timeout": timedelta(seconds=attempt_s),
        "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    }


@dataclass(frozen=True)
class Failure:
    """What a record says of a failed model activity."""

    error: str
    note: str


def model_failure(error: ActivityError) -> Failure:
    """Return the published error and the note of a model activity that gave up."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and len(cause.details) == 2:
        return Failure(str(cause.details[0]), str(cause.details[1]))
    return Failure("evaluator_unavailable", "the model call did not finish in time")
