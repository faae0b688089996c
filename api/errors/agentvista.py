"""Section 2, AgentVista: `{"detail": "<text>"}`."""

from __future__ import annotations

from typing import Any

from redraft.domain.errors import RedraftError


def body(error: RedraftError, request_id: str) -> dict[str, Any]:
    """Render an error; this dialect has no place for the request id but the header."""
    return {"detail": error.message}
