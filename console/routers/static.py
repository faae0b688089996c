"""Style sheet and scripts."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from console import pages
from console.assets import assets
from console.routing import PageRouter
from console.sessions import HOME
from redraft.domain.errors import not_found

router = PageRouter()
_FOR_EVER = "public, max-age=31536000, immutable"


@router.get("/static/{name}", summary="Style sheet and scripts")
async def read_asset(name: str, request: Request) -> Response:
    """Return an asset; an address that carries its hash may be kept for ever."""
    asset = assets().get(name)
    if asset is None:
        raise not_found("file")
    current = request.query_params.get("v") == asset.tag
    headers = {**pages.HEADERS, "Cache-Control": _FOR_EVER if current else "no-cache"}
    return Response(asset.content, media_type=asset.media_type, headers=headers)


front = PageRouter(prefix="")


@front.get("/", summary="To the console")
async def front_door() -> Response:
    """Send people to the console."""
    return RedirectResponse(HOME, 307, pages.HEADERS)
