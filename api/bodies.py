"""Request bodies: bounded in size and time."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from redraft.domain.errors import Kind, RedraftError, invalid
from redraft.settings import Settings

_BATCHES = ("/api/v1/traces/batch", "/api/v1/otlp")
_PATIENCE_S = 60.0


def greatest_body(path: str, settings: Settings) -> int:
    """Return how many bytes a request to this path may send."""
    return settings.max_batch_bytes if path.startswith(_BATCHES) else settings.max_body_bytes


async def read_body(request: Request, greatest: int) -> bytes:
    """Return the whole body. Raises TOO_LARGE as soon as it is known to be, INVALID when it does not arrive."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > greatest:
        raise _too_large(greatest)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_PATIENCE_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > greatest:
                    raise _too_large(greatest)
                chunks.append(chunk)
    except TimeoutError as error:
        raise invalid("body", f"did not arrive within {_PATIENCE_S:.0f} seconds") from error
    except ClientDisconnect as error:
        raise invalid("body", "ended before it was complete") from error
    return b"".join(chunks)


def _too_large(greatest: int) -> RedraftError:
    message = f"the request body is too large; at most {greatest:,} bytes are allowed"
    return RedraftError(Kind.TOO_LARGE, "BODY_TOO_LARGE", message, details={"max_bytes": greatest})
