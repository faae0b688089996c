"""Section 2, AgentVista: `{"detail": "<text>"}`."""

from __future__ import annotations

from typing import Any

from redraft.domain.errors import RedraftError

SCHEMA: dict[str, Any] = {
    "title": "DetailError",
    "type": "object",
    "required": ["detail"],
    "properties": {"detail": {"type": "string"}},
}


def body(error: RedraftError, request_id: str) -> dict[str, Any]:
    """Render an error; this dialect has no place for the request id but the header."""
    return {"detail": error.message}
