"""Whether this process lives, and whether what it needs is there."""

from __future__ import annotations

from api.routing import Router

router = Router(tags=["health"])


@router.get("/healthz", operation_id="health")
async def health() -> dict[str, str]:
    """Answer as long as the process lives."""
    return {"status": "ok"}
