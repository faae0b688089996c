"""Delays as providers write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.llm.transport import seconds

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("30", 30.0),
        ("1.5s", 1.5),
        (" 2s ", 2.0),
        ("0s", 0.0),
        ("-3", 0.0),
        ("Sun, 01 Mar 2026 12:00:20 GMT", 20.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("", None),
        (None, None),
        ("soon", None),
        ("nan", None),
        ("infs", None),
    ],
)
def test_delays(text: str | None, delay: float | None) -> None:
    assert seconds(text, NOW) == delay


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    delay = seconds(text, NOW)
    assert delay is None or delay >= 0
