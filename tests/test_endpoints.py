"""The table of endpoints in the docs is the application's own."""

from __future__ import annotations

from api.app import create_app
from api.endpoints import PAGE, endpoints, with_table
from redraft.settings import Settings


def test_the_page_names_every_endpoint_as_the_application_has_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    app = create_app(Settings())
    assert page == with_table(page, app), "run: python -m api.endpoints"
    for method, route in endpoints(app):
        assert f"`{method} {route.path}`" in page
