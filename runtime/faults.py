"""What Temporal is told of an activity that failed unexpectedly: the kind of fault, never a text.

A database error quotes the statement's parameters and the row in question, so prompts and transcripts would stand in
workflow history and in the Web UI in plain sight. The whole error goes to our own log, which knows what to hide.
Whatever an activity logs names its workflow and its customer.
"""

from __future__ import annotations

from typing import Any

import structlog
from sqlalchemy.exc import DBAPIError
from structlog.contextvars import bound_contextvars
from temporalio import activity
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from activities.failures import backoff
from redraft.domain.errors import RedraftError

log = structlog.get_logger(__name__)


class DiscreetFaults(Interceptor):
    """Renders what activities raise. Failures that they made for Temporal themselves pass as they are."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap every activity of the worker."""
        return _Discreet(next)


class _Discreet(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        with bound_contextvars(workflow_id=info.workflow_id, **_customer(input)):
            try:
                return await super().execute_activity(input)
            except FailureError:
                raise
            except RedraftError as error:  # a rule's no stays a no, however often it is asked
                failure = ApplicationError(error.message, type=error.code, non_retryable=True)
            except Exception as error:
                log.exception("activity_failed", activity=info.activity_type)
                # Where heartbeats tell of a dead worker, the policy has its delay; other policies grow by themselves.
                delay = backoff(info.attempt) if info.heartbeat_timeout else None
                failure = ApplicationError(_kind(error), type=type(error).__name__, next_retry_delay=delay)
        raise failure  # out here, so that the error is not its cause


def _customer(input: ExecuteActivityInput) -> dict[str, str]:
    """Return whose work an activity does; what it is given says so."""
    named = [argument.customer_id for argument in input.args if hasattr(argument, "customer_id")]
    return {"customer_id": str(named[0])} if named else {}


def _kind(error: Exception) -> str:
    sqlstate = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    state = f" (SQLSTATE {sqlstate})" if sqlstate else ""
    return f"{type(error).__name__}{state}; the worker's log tells more"
