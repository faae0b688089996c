"""Logs: one JSON object a line, without credentials and without texts of customers."""

from __future__ import annotations

import json
import logging
from typing import Any
from uuid import uuid4

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from redraft.domain.access import new_key_secret
from redraft.logs import configure_logging, redact
from runtime.faults import DiscreetFaults
from workflows.contracts import OpenProposal

TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(autouse=True)
def configured() -> None:
    """Logs as a process of ours has them."""
    configure_logging("INFO")


def test_our_lines_and_those_of_libraries_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().info("request", status=200)
    logging.getLogger("some.library").warning("slow: %s", "very")
    ours, theirs = written(capsys)
    assert (ours["event"], ours["level"], ours["status"]) == ("request", "info", 200)
    assert (theirs["event"], theirs["level"], theirs["logger"]) == ("slow: very", "warning", "some.library")
    assert ours["timestamp"].endswith("Z")


@given(key=st.builds(new_key_secret), before=st.text(), after=st.sampled_from(["", " ", "&x=1", "\n", '"']))
def test_a_key_is_hidden_wherever_it_stands(key: str, before: str, after: str) -> None:
    assert key not in redact(before + key + after)


@pytest.mark.parametrize(
    "text",
    [
        "GET /v1.0/ais?token=SECRET123",
        "GET /x?a=1&accesskey=SECRET123&b=2",
        "postgresql+psycopg://me:SECRET123@host/db",
        "Authorization: Bearer SECRET123",
        "failed\nDETAIL:  Failing row contains (SECRET123).",
        "failed\n[parameters: {'text': 'SECRET123'}]",
    ],
)
def test_what_looks_like_a_credential_or_quotes_a_row_is_hidden(text: str) -> None:
    assert "SECRET123" not in redact(text)
    assert TOKEN not in redact(f"seen {TOKEN} here")


def test_values_are_hidden_by_their_name(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().info(
        "x", password="p1", api_key="p2", prompt_tokens=12, headers={"Cookie": f"token={TOKEN}"}
    )
    line = written(capsys)[0]
    assert line["prompt_tokens"] == 12
    assert not {"p1", "p2"} & {line["password"], line["api_key"]}
    assert TOKEN not in str(line)


class Strict(BaseModel):
    """A model that refuses text for a number."""

    number: int


def test_an_error_is_told_with_its_causes_but_not_with_what_was_sent(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        try:
            Strict.model_validate({"number": "CANARY of a customer"})
        except ValidationError as error:
            raise RuntimeError(f"no answer for {new_key_secret()}") from error
    except RuntimeError:
        structlog.get_logger().exception("failed")
    line = written(capsys)[0]
    outer, inner = line["exception"]
    assert (outer["type"], inner["type"]) == ("builtins.RuntimeError", "pydantic_core._pydantic_core.ValidationError")
    assert "number" in inner["message"]
    assert any("test_logs.py" in frame for frame in outer["frames"])
    assert "CANARY" not in str(line)


class Work(ActivityInboundInterceptor):
    """An activity that logs and fails."""

    def __init__(self) -> None: ...

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        structlog.get_logger("redraft.core").info("working")
        logging.getLogger("some.library").warning("slow")
        raise ZeroDivisionError


async def test_what_an_activity_logs_names_its_workflow_and_its_customer_and_no_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    request = OpenProposal(customer_id=uuid4(), proposal_id=uuid4(), prompt_id=uuid4(), audit_ids=[], actor="CANARY")
    given = ExecuteActivityInput(fn=print, args=[request], executor=None, headers={})
    environment = ActivityEnvironment()
    with pytest.raises(ApplicationError):
        await environment.run(DiscreetFaults().intercept_activity(Work()).execute_activity, given)
    structlog.get_logger("redraft.core").info("afterwards")
    *lines, after = written(capsys)
    assert [line["event"] for line in lines] == ["working", "slow", "activity_failed"]
    ids = (str(request.customer_id), environment.info.workflow_id)
    assert {(line["customer_id"], line["workflow_id"]) for line in lines} == {ids}
    assert "CANARY" not in str(lines)
    assert not {"customer_id", "workflow_id"} & set(after)
