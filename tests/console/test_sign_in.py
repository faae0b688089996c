"""Signing in and out, forms that belong to a session, and what a session's end does not lose."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

import console
from api.app import create_app
from console.assets import assets
from console.pages import HEADERS
from redraft.settings import Settings
from tests.console.conftest import ORIGIN, Person, browsing, form_token, sign_in, visible
from tests.support.customers import PASSWORD, CustomerFixture

TEMPLATES = sorted((Path(console.__file__).parent / "templates").rglob("*.html"))


async def test_a_stranger_is_sent_to_the_door_and_back(
    api: httpx.AsyncClient, app: FastAPI, customer: CustomerFixture
) -> None:
    async with browsing(app) as http:
        sent = await http.get("/console/usage?month=2026-01")
        assert sent.status_code == 303
        door = await http.get(sent.headers["location"])
        assert 'value="/console/usage?month=2026-01"' in door.text
        token = form_token(door.text)
        fields = {"csrf": token, "username": customer.username, "password": "wrong", "next": "/console/usage"}
        refused = await http.post("/console/sign-in", data=fields, headers=ORIGIN)
        assert refused.status_code == 401
        assert "the password is wrong" in visible(refused.text)
        assert f'value="{customer.username}"' in refused.text
        done = await sign_in(http, customer.username, next="/console/usage")
        assert (done.status_code, done.headers["location"]) == (303, "/console/usage")
        cookie = next(value for value in done.headers.get_list("set-cookie") if value.startswith("token="))
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie  # localhost


async def test_the_cookie_is_secure_elsewhere(api: httpx.AsyncClient, app: FastAPI, customer: CustomerFixture) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://redraft.example") as http:
        page = await http.get("/console/sign-in")
        sent = {
            "csrf": form_token(page.text),
            "username": customer.username,
            "password": PASSWORD,
        }
        done = await http.post("/console/sign-in", data=sent, headers={"Origin": "https://redraft.example"})
        assert done.status_code == 303
        assert all("Secure" in value for value in done.headers.get_list("set-cookie"))


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/console",
        "//evil.example/console",
        "/v1.0/ais",
        "javascript:alert(1)",
        "/console\\@x",
        "/console\r\nX: y",
    ],
)
async def test_nobody_is_sent_elsewhere_after_signing_in(
    api: httpx.AsyncClient, app: FastAPI, customer: CustomerFixture, target: str
) -> None:
    async with browsing(app) as http:
        done = await sign_in(http, customer.username, next=target)
        assert done.headers["location"] == "/console/"


async def test_customer_name_and_role_are_shown(person: Person, viewer: Person, customer: CustomerFixture) -> None:
    said = visible(await person.read("/console/"))
    assert customer.username in said
    assert "acme · administrator" in said
    assert "acme · viewer" in visible(await viewer.read("/console"))


async def test_signing_out_ends_the_session(person: Person) -> None:
    done = await person.send("/console/sign-out")
    assert "Sign in" in visible(done.text)
    assert (await person.get("/console/")).status_code == 303


async def test_a_form_needs_its_token_and_its_site(person: Person) -> None:
    token = form_token(await person.read("/console/"))
    for headers, fields in [
        ({"Origin": "https://evil.example"}, {"csrf": token}),
        ({}, {"csrf": token}),
        (ORIGIN, {}),
        (ORIGIN, {"csrf": "0" * 64}),
    ]:
        answer = await person.http.post("/console/sign-out", data=fields, headers=headers)
        assert answer.status_code == 403, (headers, fields)
        assert (await person.get("/console/")).status_code == 200


async def test_what_was_typed_outlives_the_session(
    api: httpx.AsyncClient, app: FastAPI, person: Person, customer: CustomerFixture
) -> None:
    token = form_token(await person.read("/console/"))
    person.http.cookies.delete("token")
    path = "/console/proposals/11111111-1111-4111-8111-111111111111/reject"
    kept = await person.http.post(path, data={"csrf": token, "note": "<b>Tone</b> & facts"}, headers=ORIGIN)
    assert kept.status_code == 401
    assert "What you typed is kept" in kept.text
    assert 'name="kept:note" value="&lt;b&gt;Tone&lt;/b&gt; &amp; facts"' in kept.text
    fields = {"next": path, "kept:note": "<b>Tone</b> & facts", "csrf": form_token(kept.text)}
    fields |= {"username": customer.username, "password": PASSWORD}
    resumed = await person.http.post("/console/sign-in", data=fields, headers=ORIGIN)
    assert resumed.status_code == 200
    assert "it will reject the proposal" in visible(resumed.text)
    assert f'action="{path}"' in resumed.text
    assert 'name="note" value="&lt;b&gt;Tone&lt;/b&gt; &amp; facts"' in resumed.text
    sent = await person.http.post(path, data={"csrf": form_token(resumed.text), "note": "x"}, headers=ORIGIN)
    assert sent.status_code == 404  # nobody has this proposal: the form itself was taken


async def test_every_answer_has_the_strict_policy(person: Person) -> None:
    for path in ("/console/", "/console/sign-in", "/console/nothing", "/console/static/live.js"):
        answer = await person.get(path)
        assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
        assert answer.headers["x-frame-options"] == "DENY"
        # The API's own `no-referrer` would make browsers send forms with `Origin: null`.
        assert answer.headers.get_list("referrer-policy") == ["same-origin"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


async def test_errors_are_pages_here_and_json_elsewhere(person: Person, api: httpx.AsyncClient) -> None:
    page = await person.get("/console/nothing")
    assert page.status_code == 404
    assert "There is no page at this address" in page.text
    assert (await api.get("/consoles")).json()["error"]["reason"] == "NOT_FOUND"
    assert (await api.get("/", follow_redirects=False)).headers["location"] == "/console/"


async def test_a_link_from_another_site_finds_the_session(person: Person, app: FastAPI) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    async with browsing(app) as http:  # as a browser that leaves the SameSite cookie out
        step = await http.get("/console/proposals?status=failed", headers=headers)
        assert step.status_code == 200
        assert 'content="0; url=/console/proposals?status=failed"' in step.text


async def test_assets_are_kept_for_as_long_as_they_stay_the_same(person: Person) -> None:
    for name, asset in assets().items():
        kept = await person.get(f"/console/static/{name}?v={asset.tag}")
        assert (kept.status_code, "immutable" in kept.headers["cache-control"]) == (200, True)
        stale = await person.get(f"/console/static/{name}?v=0")
        assert stale.headers["cache-control"] == "no-cache"
    assert b"htmx" in assets()["console.js"].content


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_switches_escaping_off_or_scripts_inline(template: Path) -> None:
    source = template.read_text()
    for forbidden in ("|safe", "| safe", "autoescape", "Markup", "hx-on", "js:", "javascript:", "style=", "onclick"):
        assert forbidden not in source, forbidden


async def test_a_fault_of_ours_is_a_page_that_tells_nothing_but_its_number(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(session: object) -> None:
        raise LookupError("secret detail")

    monkeypatch.setattr("console.routers.inbox.load_inbox", break_down)
    answer = await person.get("/console/")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert "secret detail" not in answer.text


async def test_a_database_that_is_away_is_a_page() -> None:
    nowhere = SecretStr("postgresql://nobody:nothing@127.0.0.1:1/none")
    app = create_app(Settings(database_url=nowhere, secret_key=SecretStr("k" * 32)))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", cookies={"token": "rd_x"}) as http,
    ):
        answer = await http.get("/console/")
        assert answer.status_code == 503
        assert "Out of reach for a moment" in answer.text
        assert answer.headers["retry-after"]
        assert (await http.get("/console/sign-in")).status_code == 200
