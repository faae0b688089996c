"""Every page: what it shows, to whom, and nothing of another customer."""

from __future__ import annotations

import re

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import SecretStr

from api.routing import Route
from console.routing import PageRoute
from redraft.domain.access import Scope
from redraft.settings import Settings
from redraft.store.database import Database
from tests.conftest import MakeCustomer
from tests.console.conftest import ORIGIN, Person, browsing, form_token, sign_in, visible
from tests.support.customers import CustomerFixture, bearer, make_customer
from tests.support.gallery import Furnisher, Gallery
from tests.support.screenshots import pages

UNKNOWN = "11111111-1111-4111-8111-111111111111"
PUBLIC = {"/console/sign-in", "/console/static/{name}", "/"}
ADMIN_POSTS = {
    "/console/keys",
    "/console/keys/{key_id}/revoke",
    "/console/usage/budget",
    "/console/users",
    "/console/users/{user_id}",
    "/console/webhooks",
}
ADMIN_PAGES = {
    "/console/users",
    "/console/deliveries/{delivery_id}",
    "/console/webhooks",
    "/console/webhooks/{webhook_id}",
}
WRITES = ("/accept", "/reject", "/edit", "/apply", "/restore", "/revoke", "/budget", "/users", "/trigger", "/watch")
"""How the addresses of forms end that a viewer is not offered."""
WRITER_PAGES = {"/console/schedules/new", "/console/schedules/{schedule_id}/edit"}


@pytest_asyncio.fixture(scope="module")
async def gallery(migrated_template: str, database_url: str) -> Gallery:
    """A customer with something on every page, shared by the tests of this module."""
    settings = Settings(database_url=SecretStr(database_url))
    database = Database.connect(settings)
    made = await make_customer(database, "gallery")
    gallery = await Furnisher(database, settings, made.id).furnish()
    gallery.username, gallery.key = made.username, made.key
    await database.close()
    return gallery


@pytest_asyncio.fixture
async def owner(api: httpx.AsyncClient, app: FastAPI, gallery: Gallery) -> Person:
    """The administrator of the gallery's customer."""
    api.base_url = httpx.URL("http://localhost")
    assert (await sign_in(api, gallery.username)).status_code == 303
    return Person(api)


async def test_every_page_is_there(owner: Person, gallery: Gallery) -> None:
    for name, path in pages(gallery).items():
        if name == "not-found":
            continue
        said = visible(await owner.read(path))
        assert "gallery · administrator" in said, name
        for gone in ("None", "undefined", "{{", "Traceback"):
            assert gone not in said.replace("{{clinic_name}}", "").replace("{{opening_hours}}", "").replace(
                "{{hotel}}", ""
            ), f"{name}: {gone}"


def fill(path: str, gallery: Gallery) -> str:
    """Return a path with ids of the gallery."""
    ids = gallery.ids
    return (
        path.replace("{proposal_id}", str(ids["waiting"]))
        .replace("{optimization_id}", str(ids["won"]))
        .replace("{prompt_id}", str(gallery.prompt))
        .replace("{audit_id}", str(ids["audit"]))
        .replace("{trial_id}", str(ids["trial"]))
        .replace("{version_id}", str(ids["version"]))
        .replace("{key_id}", str(ids["key"]))
        .replace("{user_id}", str(ids["user"]))
        .replace("{schedule_id}", str(ids["schedule"]))
        .replace("{webhook_id}", str(ids["webhook"]))
        .replace("{delivery_id}", str(ids["delivery"]))
        + (f"?old={ids['version']}&new={ids['version']}" if path.endswith("/compare") else "")
        + ("?topic=inbox" if path.endswith("/live") else "")
    )


def page_routes(app: FastAPI) -> list[tuple[str, PageRoute]]:
    return [
        (method, route)
        for route in app.routes
        if isinstance(route, PageRoute) and route.path not in PUBLIC
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]


async def test_every_route_asks_for_what_it_needs(app: FastAPI) -> None:
    assert len(page_routes(app)) > 25
    for method, route in page_routes(app):
        administers = route.path in (ADMIN_PAGES if method == "GET" else ADMIN_POSTS)
        administers |= route.path.startswith("/console/webhooks/{webhook_id}")
        reads = method == "GET" and route.path not in WRITER_PAGES
        needed = Scope.ADMIN if administers else Scope.READ if reads else Scope.WRITE
        if route.path == "/console/sign-out":
            needed = Scope.READ
        assert isinstance(route, Route)
        assert route.access == needed, f"{method} {route.path}"


async def test_a_viewer_reads_everything_and_decides_nothing(
    app: FastAPI, api: httpx.AsyncClient, gallery: Gallery, database: Database
) -> None:
    holder = CustomerFixture(gallery.customer_id, gallery.username, gallery.key, database)
    headers = bearer(await holder.new_key(Scope.READ))
    for method, route in page_routes(app):
        if route.path == "/console/live":
            continue
        path = fill(route.path, gallery)
        if method == "GET":
            answer = await api.get(path, headers=headers)
            expected = {403} if route.path in ADMIN_PAGES | WRITER_PAGES else {200, 204}
            assert answer.status_code in expected, f"{path}: {answer.status_code}"
            for action in (
                "/accept",
                "/reject",
                "/edit",
                "/apply",
                "/restore",
                "/revoke",
                "/budget",
                "/users",
                "/trigger",
                "/delete",
                "/watch",
            ):
                assert f'{action}"' not in answer.text, f"{path} offers {action}"
        elif route.path != "/console/sign-out":
            answer = await api.post(path, headers=headers, data={})
            assert answer.status_code == 403, f"{path}: {answer.status_code}"
            assert "Not allowed" in answer.text
            assert "Your role does not cover this." in answer.text


async def test_nothing_of_another_customer_is_there(
    app: FastAPI, api: httpx.AsyncClient, gallery: Gallery, make: MakeCustomer
) -> None:
    stranger = await make("stranger")
    async with browsing(app) as http:
        await sign_in(http, stranger.username)
        token = form_token((await http.get("/console")).text)
        for method, route in page_routes(app):
            path = fill(route.path, gallery)
            if path == route.path or path.startswith("/console/live"):
                if method == "GET" and "live" not in path:
                    said = (await http.get(path)).text
                    assert "Dental" not in said
                    assert "Phone bot" not in said
                continue
            fields = {"csrf": token, "draft": "", "proposed_prompt": "x", "variants": "1", "note": ""}
            if method == "GET":
                answer = await http.get(path)
            else:
                answer = await http.post(path, data=fields, headers=ORIGIN)
            assert answer.status_code in {404, 400}, f"{method} {path}: {answer.status_code}"
            if answer.status_code == 400:  # an id in a form, which never tells unknown from foreign
                nobody = path.replace(str(gallery.prompt), UNKNOWN)
                assert (await http.post(nobody, data=fields, headers=ORIGIN)).status_code == 400
            assert "Dental" not in answer.text


async def test_the_review_page_has_all_that_a_decision_needs(owner: Person, gallery: Gallery) -> None:
    html = await owner.read(f"/console/proposals/{gallery.ids['waiting']}")
    said = visible(html)
    assert "<del>friendly</del><ins>warm</ins>" in html
    assert "Repeat date and time back to the caller" in said
    assert "Every template variable of the original is still there" in said
    assert "7 audits" in said
    assert 'class="turn cited"' in html
    assert "cited for" in said
    assert f"/namespaces/default/workflows/proposal-{gallery.ids['waiting']}" in html
    side = await owner.read(f"/console/proposals/{gallery.ids['waiting']}?view=side")
    assert 'class="side text prompt-text"' in side


async def test_drift_says_what_changed_and_what_is_possible(owner: Person, gallery: Gallery) -> None:
    said = visible(await owner.read(f"/console/proposals/{gallery.ids['drifted']}"))
    assert "The prompt moved under this draft" in said
    assert "Version 2 is live now" in said
    assert "by grace" in said
    assert "There are none yet" in said
    assert "Prompt moved" in said
    assert "Edit the draft" not in said
    assert "The prompt moved to another version. Prices." in visible(await owner.read("/console/"))
    assert "Accept the draft" not in said or "disabled" in await owner.read(
        f"/console/proposals/{gallery.ids['drifted']}"
    )


async def test_an_optimization_says_its_verdict_in_a_sentence(owner: Person, gallery: Gallery) -> None:
    html = await owner.read(f"/console/optimizations/{gallery.ids['won']}")
    said = visible(html)
    assert "“Repeat before booking” is better than the prompt as it is: about" in said
    assert "names a winner in at most 5 of 100 cases" in said
    assert "<svg" in html
    running = visible(await owner.read(f"/console/optimizations/{gallery.ids['race']}"))
    assert "Too early to decide" in running
    assert ("Apply a variant …" in said, "Stop …" in said) == (True, False)
    assert ("Apply a variant …" in running, "Stop …" in running) == (False, True)


async def test_trials_are_filtered_and_shown_side_by_side(owner: Person, gallery: Gallery) -> None:
    path = f"/console/optimizations/{gallery.ids['won']}/trials"
    everything = await owner.read(path)
    high = await owner.read(f"{path}?score=high")
    persona = await owner.read(f"{path}?persona=00000000-0000-4000-8000-000000000001&score=low")
    counts = [int(html.split('class="count">')[1].split("<")[0]) for html in (everything, high, persona)]
    assert counts[0] > counts[1] > counts[2] >= 0
    pair = visible(await owner.read(f"{path}/{gallery.ids['trial']}"))
    assert "The prompt as it is" in pair
    assert "shall I book it?" in pair
    assert "Done, you are booked." in pair


async def test_versions_tell_who_and_why(owner: Person, gallery: Gallery) -> None:
    said = visible(await owner.read(f"/console/prompts/{gallery.prompt}"))
    assert "Version 2 Live accepted proposal by ada" in said
    assert "Agreed with the front desk." in said
    assert "Its proposal" in said


async def test_a_prompt_shows_what_was_made_for_it_what_looks_at_it_and_what_it_cost(
    owner: Person, gallery: Gallery
) -> None:
    html, ids = await owner.read(f"/console/prompts/{gallery.prompt}"), gallery.ids
    panels = {part.split("<")[0]: part.split("</section>")[0] for part in html.split('<section class="panel"><h2>')[1:]}
    said = {name: visible(f"<b>{part}") for name, part in panels.items()}
    for panel, kind, names in (
        ("Proposals", "proposals", {"accepted", "waiting", "blocked", "rejected", "writing"}),
        ("Optimizations", "optimizations", {"won", "race"}),
        ("Schedules", "schedules", {"schedule", "paused"}),
    ):
        linked = set(re.findall(f'"/console/{kind}/([0-9a-f-]+)"', panels[panel]))
        assert linked == {str(ids[name]) for name in names}, panel
    assert f"/console/proposals?prompt={gallery.prompt}" in panels["Proposals"]
    shown = "Being written .+ Rejected .+ Waiting for a decision .+ Waiting for a decision .+ Accepted"
    assert re.search(shown, said["Proposals"]), said["Proposals"]
    assert re.search("Running .+ Waiting for a decision", said["Optimizations"]), said["Optimizations"]
    assert "Spend Optimizations $3.79 2 calls Proposals $0.16 4 calls In all $3.95" in said["Spend"], said["Spend"]


async def test_live_figures_say_what_each_version_did(owner: Person, gallery: Gallery) -> None:
    html = await owner.read(f"/console/prompts/{gallery.prompt}")
    said = visible(html)
    assert "Better than version 1" in said
    assert re.search(r"1 123 [\d.]+ % \d+–\d+ \$0\.0\d+( [\d.]+ s){3}", said), said
    for drawn in ('class="band"', 'class="curve"', 'class="curve dashed"', 'class="bar"'):
        assert html.count(drawn) >= 2, drawn
    assert "Success: version 2 9" in html
    assert "of the last 30 days" not in html
    assert "?days=90" in html
    longer = await owner.read(f"/console/prompts/{gallery.prompt}?days=90")
    assert longer.count('class="bar"') >= html.count('class="bar"')


async def test_a_schedule_says_what_it_waits_for_and_what_each_run_saw(owner: Person, gallery: Gallery) -> None:
    listed = visible(await owner.read("/console/schedules"))
    assert (
        "Weekly look Propose, Dental clinic phone assistant · Mondays at 06:00 (Europe/Berlin) Started something"
        in listed
    )
    html = await owner.read(f"/console/schedules/{gallery.ids['schedule']}")
    said = visible(html)
    assert "the mean score of its audits is below 3.5 of 5" in said
    assert "Skipped 3 new audits of version 2 are there, at least 5 are wanted." in said
    assert "✗ Did not hold: The mean score of 14 audits of version 2 is 4.10, not below 3.5." in said
    assert f"/console/proposals/{gallery.ids['waiting']}" in html
    assert f"/namespaces/default/schedules/schedule-{gallery.ids['schedule']}" in html
    assert f"/namespaces/default/workflows/reoptimize-{gallery.ids['schedule']}-19" in html
    inbox = visible(await owner.read("/console"))
    assert "Schedule Weekly look Every audit of this run failed; each says why." in inbox
    prompt = visible(await owner.read(f"/console/prompts/{gallery.prompt}"))
    assert "Schedules Audit every 6 hours Paused Weekly look" in prompt


async def test_events_are_filtered_and_lead_to_what_they_are_about(owner: Person, gallery: Gallery) -> None:
    accepted = f"/console/proposals/{gallery.ids['accepted']}"
    html = await owner.read(f"/console/events?topic=proposal.accepted&prompt={gallery.prompt}")
    assert f'<a href="{accepted}">proposal.accepted</a>' in html
    assert html.count('class="line"') == 1
    assert "actor ada · version 2" in visible(html)
    assert 'class="line"' not in await owner.read("/console/events?until=2020-01-01")
    assert "No event" in await owner.read("/console/events?topic=watch.*")
    both = await owner.read("/console/events?topic=schedule.*"), await owner.read("/console/events")
    assert 0 < both[0].count('class="line"') < both[1].count('class="line"')
    for wrong in ("topic=nothing", "prompt=x", "since=yesterday", "before=x"):
        assert (await owner.get(f"/console/events?{wrong}")).status_code == 400, wrong


async def test_the_watch_of_a_prompt_is_switched_on_from_its_page(owner: Person, gallery: Gallery) -> None:
    page = f"/console/prompts/{gallery.prompt}"
    assert "Accepted changes are not watched" in visible(await owner.read(page))
    on = await owner.send(f"{page}/watch", {"watched": "yes", "auto_restore": "yes"})
    assert "and taken back when they surely do worse" in visible(on.text)
    off = await owner.send(f"{page}/watch")
    assert "Accepted changes are not watched" in visible(off.text)


async def test_a_new_customer_is_told_what_to_do_next(person: Person) -> None:
    assert "There is no schedule yet" in visible(await person.read("/console/schedules"))
    assert "There is no prompt yet that could be looked at" in visible(await person.read("/console/schedules/new"))
    assert "There is no prompt yet" in visible(await person.read("/console/"))
    assert "There is no prompt yet" in visible(await person.read("/console/prompts"))
    assert "started from a prompt's page" in visible(await person.read("/console/proposals"))
    assert "start one from a prompt's page" in visible(await person.read("/console/optimizations"))
    assert "No model was asked this month" in visible(await person.read("/console/usage"))


async def test_keys_are_made_shown_once_and_revoked(person: Person, api: httpx.AsyncClient) -> None:
    made = await person.send("/console/keys", {"name": "Bot <b>", "scope": "write", "expires": "30"})
    assert made.status_code == 200
    secret = visible(made.text).split("rd_")[1].split(" ")[0]
    headers = bearer(f"rd_{secret}")
    assert (await api.get("/v1.0/ais", headers=headers)).status_code == 200
    listed = await person.read("/console/keys")
    assert secret not in listed
    assert "Bot &lt;b&gt;" in listed
    key_id = listed.split("/console/keys/")[1].split("/")[0]
    await person.send(f"/console/keys/{key_id}/revoke")
    assert (await api.get("/v1.0/ais", headers=headers)).status_code == 401
    bad = await person.send("/console/keys", {"name": " ", "scope": "write", "expires": ""})
    assert (bad.status_code, "name: give 1 to" in visible(bad.text).lower()) == (400, True)


async def test_the_budget_is_changed_and_what_was_typed_wrongly_is_kept(
    person: Person, viewer: Person, customer: CustomerFixture
) -> None:
    assert "No budget is set" in visible(await person.read("/console/usage"))
    set_ = await person.send("/console/usage/budget", {"monthly_budget_usd": "12.50"})
    assert "$0 of $12.50 used or reserved" in visible(set_.text)
    wrong = await person.send("/console/usage/budget", {"monthly_budget_usd": "a lot <b>"})
    assert wrong.status_code == 400
    assert "Budget: give a number of US dollars" in visible(wrong.text)
    assert 'value="a lot &lt;b&gt;"' in wrong.text
    assert 'id="budget" data-open' in wrong.text
    looked = await viewer.read("/console/usage")
    assert "$12.50" in looked
    assert "An administrator of your organisation can change the budget" in looked
    assert (await viewer.send("/console/usage/budget", {"monthly_budget_usd": "99"})).status_code == 403
    removed = await person.send("/console/usage/budget", {"monthly_budget_usd": ""})
    assert "No budget is set" in visible(removed.text)


async def test_users_are_made_changed_and_refused(
    person: Person, api: httpx.AsyncClient, app: FastAPI, customer: CustomerFixture
) -> None:
    name = f"{customer.username}-grace"
    short = await person.send("/console/users", {"username": name, "password": "short", "role": "viewer"})
    assert (short.status_code, "give 8 to" in visible(short.text)) == (400, True)
    assert f'value="{name}"' in short.text
    assert "short" not in short.text.replace("too short", "")
    made = await person.send("/console/users", {"username": name, "password": "nanosecond", "role": "viewer"})
    assert f"{name} viewer: reads everything Active" in visible(made.text)
    taken = await person.send("/console/users", {"username": name, "password": "nanosecond", "role": "viewer"})
    assert (taken.status_code, "this name is taken" in taken.text) == (409, True)
    user_id = made.text.split('action="/console/users/')[1].split('"')[0]
    async with browsing(app) as http:
        assert (await sign_in(http, name, "nanosecond")).status_code == 303
        assert "acme · viewer" in visible((await http.get("/console")).text)
        await person.send(f"/console/users/{user_id}", {"role": "manager", "password": ""})
        assert "acme · manager" in visible((await http.get("/console")).text)
        await person.send(f"/console/users/{user_id}", {"disabled": "yes"})
        assert (await http.get("/console")).status_code == 303
        await person.send(f"/console/users/{user_id}", {"disabled": "no", "role": "manager"})
        await person.send(f"/console/users/{user_id}", {"password": "millisecond"})
        assert (await sign_in(http, name, "millisecond")).status_code == 303
    listed = await person.read("/console/users")
    own = next(part for part in listed.split("action=") if "Your own role" in part).split('"')[1].split("/")[-1]
    refused = await person.send(f"/console/users/{own}", {"role": "viewer"})
    assert (refused.status_code, "another administrator can" in refused.text) == (409, True)


async def test_a_refused_start_shows_the_prompt_again_with_what_was_typed(owner: Person, gallery: Gallery) -> None:
    wanted: dict[str, object] = {"mode": "validation", "variants": "2", "hypothesis": "Fewer <b>words"}
    answer = await owner.send(f"/console/prompts/{gallery.prompt}/optimizations", wanted | {"max_cost_usd": "-1"})
    assert answer.status_code == 400
    assert "Hard stop: give more than 0" in visible(answer.text)
    assert 'value="Fewer &lt;b&gt;words"' in answer.text
    assert '<option value="validation" selected>' in answer.text
    none = await owner.send(f"/console/prompts/{gallery.prompt}/proposals", {"language": "de-DE"})
    assert (none.status_code, 'value="de-DE"' in none.text) == (400, True)


async def test_webhooks_are_made_shown_changed_and_switched(person: Person) -> None:
    assert "There is no webhook" in visible(await person.read("/console/webhooks"))
    wrong = await person.send("/console/webhooks", {"url": "http://10.0.0.1/x", "families": "proposal.*"})
    assert (wrong.status_code, 'value="http://10.0.0.1/x"' in wrong.text) == (400, True)
    assert 'value="proposal.*" checked' in wrong.text
    unknown = await person.send("/console/webhooks", {"url": "https://hooks.example.com", "topics": "nothing.at_all"})
    assert (unknown.status_code, ">nothing.at_all</textarea>" in unknown.text) == (400, True)
    fields: dict[str, object] = {
        "url": "https://hooks.example.com/<b>",
        "families": ["proposal.*", "watch.*"],
        "topics": "budget.spent",
    }
    made = await person.send("/console/webhooks", fields)
    secret = made.text.split('id="secret" tabindex="0">')[1].split("<")[0]
    assert secret.startswith("whsec_")
    address = "/console/webhooks/" + made.text.split('action="/console/webhooks/')[1].split("/")[0]
    page = await person.read(address)
    assert secret not in page
    assert "proposal.*, watch.*, budget.spent" in visible(page)
    assert ">budget.spent</textarea>" in page
    rotated = await person.send(f"{address}/rotate-secret")
    assert rotated.text.split('id="secret" tabindex="0">')[1].split("<")[0] not in {"", secret}
    await person.send(f"{address}/test")
    sent = await person.read(address)
    assert "On its way webhook.tested 0 attempts" in visible(sent)
    off = await person.send(f"{address}/disable")
    assert "State Disabled" in visible(off.text)
    again = re.search(r'action="([^"]+/redeliver)"', sent)
    assert again
    refused = await person.send(again[1])
    assert (refused.status_code, "enable it first" in refused.text) == (409, True)
    await person.send(f"{address}/enable")
    assert "State Enabled" in visible((await person.send(again[1])).text)
    await person.send(address, {"url": "https://hooks.example.com/two"})
    assert "every event" in visible(await person.read("/console/webhooks"))
    assert "There is no webhook" in visible((await person.send(f"{address}/delete")).text)


async def test_a_delivery_shows_every_attempt(owner: Person, gallery: Gallery) -> None:
    html = await owner.read(f"/console/webhooks/{gallery.ids['webhook']}")
    said = visible(html)
    assert "answered 503" in said
    assert "1,480 ms" in said
    assert "Delivered webhook.tested 1 attempt" in said
    assert f"workflows/webhook-{gallery.ids['delivery']}" in html
    led = await owner.get(f"/console/deliveries/{gallery.ids['delivery']}")
    assert led.headers["location"] == f"/console/webhooks/{gallery.ids['webhook']}#{gallery.ids['delivery']}"
    failed = await owner.read(f"/console/webhooks/{gallery.ids['webhook']}?status=failed")
    assert "None in this state" in failed


@pytest.mark.parametrize("path", ["/console/proposals/nonsense", f"/console/prompts/{UNKNOWN}", "/console/live"])
async def test_what_is_not_there_is_a_page_of_its_own(person: Person, path: str) -> None:
    answer = await person.get(path)
    assert answer.status_code in {400, 404}
    assert "<h1>" in answer.text
