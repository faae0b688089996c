"""What every schema of this dialect promises, whatever the resource."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.rendering import NEVER, ref, tm
from api.schemas.aicalls import AiCallCreate
from api.schemas.ais import AiCreate, AiUpdate


def test_times_are_utc_with_six_digits_and_z() -> None:
    berlin = timezone(timedelta(hours=2))
    assert tm(datetime(2026, 5, 29, 12, 30, tzinfo=berlin)) == "2026-05-29T10:30:00.000000Z"
    assert tm(datetime(2026, 5, 29, 10, 30, 0, 7, tzinfo=UTC)) == "2026-05-29T10:30:00.000007Z"
    assert tm(None) == NEVER == "9999-01-01T00:00:00.000000Z"


def test_no_id_is_the_zero_uuid() -> None:
    assert str(ref(None)) == "00000000-0000-0000-0000-000000000000"
    assert ref(UUID(int=7)) == UUID(int=7)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_rendered_time_is_read_back(moment: datetime) -> None:
    assert datetime.fromisoformat(tm(moment)) == moment


def test_null_is_the_same_as_absent() -> None:
    assert AiUpdate.model_validate({"name": None, "detail": "d"}).fields() == {"detail": "d"}
    with pytest.raises(ValidationError, match="Field required"):
        AiCreate.model_validate({"name": None, "init_prompt": "x"})
    call = AiCallCreate.model_validate(
        {"ai_id": str(UUID(int=1)), "messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]}
    )
    assert call.stored_messages() == [{"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}]
    schema = AiCreate.model_json_schema()["properties"]
    assert {"type": "null"} in schema["detail"]["anyOf"]
    assert "anyOf" not in schema["name"]


def test_times_of_messages_are_kept_in_one_form() -> None:
    given = {
        "2026-05-29T10:30:00": "2026-05-29T10:30:00.000000Z",
        "2026-05-29T12:30:00+02:00": "2026-05-29T10:30:00.000000Z",
    }
    for sent, kept in given.items():
        message = {"role": "user", "content": "Hello.", "tm": sent}
        call = AiCallCreate.model_validate({"ai_id": str(UUID(int=1)), "messages": [message]})
        assert call.stored_messages()[0]["tm"] == kept
    for sent in ("yesterday", "0001-01-01T00:00:00+14:00", ""):
        message = {"role": "user", "content": "Hello.", "tm": sent}
        with pytest.raises(ValidationError, match="must be a time in ISO 8601"):
            AiCallCreate.model_validate({"ai_id": str(UUID(int=1)), "messages": [message]})
