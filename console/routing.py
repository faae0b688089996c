"""Routes of the console: as the API's, but what is refused becomes a page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from api.errors.translate import translate
from api.routing import Route, Router
from console.errors import refused


class PageRoute(Route):
    """A route that answers people."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the API's handler within ours."""
        answer = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await answer(request)
            except Exception as error:
                refusal = translate(error)
                if refusal is None:
                    raise
                return await refused(request, refusal)

        return handle


class PageRouter(Router):
    """A router of such routes; the OpenAPI document leaves them out."""

    def __init__(self, *, prefix: str = "/console") -> None:
        super().__init__(prefix=prefix, include_in_schema=False)
        self.route_class = PageRoute
