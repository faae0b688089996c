"""The console in a real browser: every decision, live pages, two people on one proposal, roles, accessibility."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import expect

from redraft.domain.access import Role
from redraft.domain.audits import AuditDraft, create_audit
from redraft.domain.prompts import get_prompt
from redraft.domain.proposals.drafts import edit_draft
from redraft.domain.traces import TraceDraft, record_trace
from redraft.store.tables import Optimization, Proposal
from tests.console.office import Office
from tests.support.browser import axe_source, becomes, shows
from tests.support.customers import PASSWORD
from tests.support.model_replies import auto, hang
from tests.support.screenshots import pages
from tests.support.worlds import evaluation

HOSTILE = (
    "<script>window.broken=1</script><img src=x onerror=\"window.broken=1\">{{ 7*7 }} <a hx-get='/x' hx-trigger='load'>"
    "\u202egnp.exe\u202c \x1b[31mred\x1b[0m </textarea></title>"
)

COLOURFUL = {"inbox", "prompt", "proposal", "proposal-blocked", "proposal-drifted", "optimization", "usage", "keys"}
"""Pages that show every colour; the others use the same ones."""


async def test_accepting_with_a_note(office: Office) -> None:
    prompt, proposal = await office.world.waiting()
    page = await office.person(to=f"/console/proposals/{proposal.id}")
    await shows(page, "Waiting for a decision")
    await page.get_by_role("button", name="Accept …").click()
    await page.get_by_label("Note").locator("visible=true").fill("Agreed with the team.")
    await page.get_by_role("button", name="Accept the draft").click()
    await shows(page, "Version 2 is live")
    await shows(page, "Agreed with the team.")
    record = await office.world.get(Proposal, proposal.id)
    assert (record.status, record.decided_by, record.note) == (
        "accepted",
        office.customer.username,
        "Agreed with the team.",
    )
    await page.goto(f"{office.address}/console/prompts/{prompt.id}")
    await shows(page, "accepted proposal")


async def test_what_was_typed_stays_while_the_server_is_away(office: Office) -> None:
    _, proposal = await office.world.waiting()
    page = await office.person(to=f"/console/proposals/{proposal.id}")
    await page.get_by_role("button", name="Reject …").press("Enter")
    await expect(page.locator("#reject-note")).to_be_focused()
    await page.keyboard.type("Not now.")
    await page.route("**/console/**", lambda route: route.abort("connectionrefused"))
    await page.get_by_role("button", name="Reject it").click()
    await shows(page, "The server can't be reached, so nothing was sent.")
    await expect(page.locator("#reject-note")).to_have_value("Not now.")
    await page.unroute_all()
    await page.get_by_role("button", name="Reject it").click()
    assert (await office.world.until(proposal.id, "rejected")).note == "Not now."
    await shows(page, f"Rejected by {office.customer.username}")


async def test_everything_works_without_script(office: Office) -> None:
    _, proposal = await office.world.waiting()
    page = await office.browser.new_page(java_script_enabled=False)
    await page.goto(f"{office.address}/console/proposals/{proposal.id}")
    await page.get_by_label("User name").fill(office.customer.username)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("link", name="Side by side").click()
    assert "view=side" in page.url
    await page.get_by_role("button", name="Reject …").click()
    await page.get_by_role("button", name="Reject it").click()
    await shows(page, "Rejected")
    assert (await office.world.get(Proposal, proposal.id)).status == "rejected"


async def test_one_accepts_and_the_other_sees_it_and_keeps_what_was_typed(office: Office) -> None:
    _, proposal = await office.world.waiting()
    await office.customer.new_user("reviewer", Role.MANAGER)
    path = f"/console/proposals/{proposal.id}"
    ann, bob = await office.person(to=path), await office.person("reviewer", to=path)
    await bob.get_by_role("button", name="Reject …").click()
    note = bob.locator("#reject-note")
    await note.fill("I would rather wait.")
    await ann.get_by_role("button", name="Accept …").click()
    await ann.get_by_role("button", name="Accept the draft").click()
    await shows(bob, "Version 2 is live")
    await expect(bob.get_by_role("button", name="Reject it")).to_be_disabled()
    assert await note.input_value() == "I would rather wait."


async def test_a_draft_that_was_edited_since_is_not_accepted(office: Office) -> None:
    _, proposal = await office.world.waiting()
    path = f"/console/proposals/{proposal.id}"
    page = await office.person(to=path)
    async with office.world.db.tenant(office.customer.id) as session:
        await edit_draft(session, proposal.id, proposal.proposed_prompt + "\nSay thanks.", "grace")
    await shows(page, "Somebody edited the draft since you opened this page")
    await page.get_by_role("button", name="Accept …").click()
    await page.locator("#accept-note").fill("Good.")
    await page.get_by_role("button", name="Accept the draft").click()
    await shows(page, "Somebody edited the draft after you opened this page")
    await shows(page, "Say thanks.")
    assert await page.locator("#accept-note").input_value() == "Good."
    assert (await office.world.get(Proposal, proposal.id)).status == "completed"


async def test_editing_shows_the_difference_and_checks_anew(office: Office) -> None:
    _, proposal = await office.world.waiting()
    page = await office.person(to=f"/console/proposals/{proposal.id}")
    await page.get_by_text("Edit the draft").click()
    await page.get_by_label("Draft", exact=True).fill("You book tables. Be brief, and thank the caller.")
    await page.locator("#diff ins", has_text="and thank the caller").wait_for()
    await page.get_by_role("button", name="Save the draft").click()
    await shows(page, "The draft lost the template variable {{restaurant}}")
    await page.get_by_role("button", name="Accept …").click()
    await page.get_by_role("button", name="Accept the draft").click()
    await shows(page, "A blocking check failed.")  # in the dialogue, which is open again
    await page.get_by_label("Accept although a blocking check failed").check()
    await page.get_by_role("button", name="Accept the draft").click()
    await shows(page, "Version 2 is live")


async def test_drift_is_shown_the_moment_it_happens_and_leads_to_a_new_proposal(office: Office) -> None:
    prompt, proposal = await office.world.waiting()
    other = await office.world.until((await office.world.open(prompt)).id, "completed")
    await office.customer.new_user("accepter", Role.MANAGER)
    page = await office.person(to=f"/console/proposals/{proposal.id}")
    ann = await office.person("accepter", to=f"/console/proposals/{other.id}")
    await ann.get_by_role("button", name="Accept …").click()
    await ann.get_by_role("button", name="Accept the draft").click()
    await shows(page, "The prompt moved under this draft")
    await shows(page, "by accepter")
    await shows(page, "There are none yet")
    await expect(page.locator("button[popovertarget=accept]").first).to_be_disabled()
    await page.get_by_text("What changed from version 1 to 2").click()
    await expect(page.locator("[data-topic] ins").first).to_be_visible()
    await office.world.audits(prompt.id, 2)
    await page.get_by_role("button", name="Start anew on version 2").click()
    await shows(page, "for version 2")
    await page.get_by_role("link", name="Show it").click()
    await shows(page, "What changes")


async def test_the_inbox_follows_what_happens(office: Office) -> None:
    page = await office.person()
    async with office.world.db.tenant(office.customer.id) as session:
        waiting = (await get_prompt(session, (await office.world.prompt(name="Fresh bookings")).id)).prompt
    office.world.gemini.default(hang())
    try:
        proposal = await office.world.open(waiting)
        running = page.get_by_role("region", name="Running")
        await running.get_by_role("link", name="Fresh bookings").click()
        await page.get_by_role("button", name="Cancel …").click()
        await page.get_by_role("button", name="Cancel it").click()
        await shows(page, "Somebody cancelled it.")
    finally:
        office.world.gemini.default(auto())
        office.world.gemini.release()
    assert (await office.world.get(Proposal, proposal.id)).error == "cancelled"


async def test_a_session_that_ends_loses_nothing(office: Office) -> None:
    _, proposal = await office.world.waiting()
    page = await office.person(to=f"/console/proposals/{proposal.id}")
    await page.get_by_role("button", name="Reject …").click()
    await page.locator("#reject-note").fill("Too early <b>&amp;")
    await page.context.clear_cookies()
    await page.get_by_role("button", name="Reject it").click()
    await shows(page, "What you typed is kept")
    await page.get_by_label("User name").fill(office.customer.username)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await shows(page, "Too early <b>&amp;")
    await page.get_by_role("button", name="Send it now").click()
    await shows(page, "Rejected")
    assert (await office.world.get(Proposal, proposal.id)).note == "Too early <b>&amp;"


async def test_hostile_text_is_shown_and_does_nothing(office: Office) -> None:
    world, customer_id = office.world, office.customer.id
    prompt = await world.prompt(text=f"You book tables. {HOSTILE}", name=f"A {HOSTILE}")
    async with world.db.tenant(customer_id) as session:
        messages = [{"role": "user", "content": HOSTILE}, {"role": "assistant", "content": HOSTILE}]
        trace = await record_trace(session, customer_id, TraceDraft(prompt.id, messages))
        judged = evaluation().model_dump()
        judged["summary"] = HOSTILE
        judged["dimensions"]["tone"].update(reason=HOSTILE, message_ids=[trace.messages[0]["id"]])
        draft = AuditDraft(trace.id, evaluation=type(evaluation()).model_validate(judged))
        audit = await create_audit(session, customer_id, draft)
    proposal = await world.until((await world.open(prompt, [audit])).id, "completed", "failed")
    requests: list[str] = []
    page = await office.person()
    page.on("request", lambda request: requests.append(request.url))
    for path in (
        "",
        "prompts",
        f"prompts/{prompt.id}",
        "proposals",
        f"proposals/{proposal.id}",
        f"proposals/{proposal.id}?view=side",
        f"audits/{audit.id}",
    ):
        await page.goto(f"{office.address}/console/{path}")
        await page.locator("html[data-ready]").wait_for(state="attached")
        assert await page.evaluate("window.broken === undefined"), path
        assert await page.locator("main img, main script, main [hx-get='/x']").count() == 0, path
    await shows(page, "RLO")
    assert await page.locator(".ctl", has_text="RLO").count() >= 2
    assert await page.locator(".ctl", has_text="ESC").count() >= 2
    assert not [url for url in requests if url.endswith("/x")]


async def test_a_viewer_sees_and_cannot_decide(office: Office) -> None:
    _, proposal = await office.world.waiting()
    await office.customer.new_user("onlooker", Role.VIEWER)
    page = await office.person("onlooker", to=f"/console/proposals/{proposal.id}")
    await shows(page, "What changes")
    for name in ("Accept …", "Reject …", "Save the draft"):
        assert await page.get_by_role("button", name=name).count() == 0
    await page.goto(f"{office.address}/console/keys")
    assert await page.get_by_role("button", name="Create a key").count() == 0


async def test_restoring_a_version(office: Office) -> None:
    prompt = await office.world.prompt(name="Menu")
    await office.world.put(prompt.id, "You read the menu aloud.")
    page = await office.person(to=f"/console/prompts/{prompt.id}")
    await page.get_by_role("link", name="Compare with the live one").click()
    await page.get_by_role("button", name="Restore version 1 …").click()
    await page.get_by_role("button", name="Restore version 1", exact=True).click()
    await shows(page, "restored from version 1")
    await shows(page, "Version 3 is live")


async def test_a_scoreboard_follows_the_trials(office: Office) -> None:
    gallery = office.gallery
    page = await office.person(gallery.username, to=f"/console/optimizations/{gallery.ids['race']}")
    meters = page.locator(".meters")
    await expect(meters).to_contain_text("of at most 490")
    async with office.world.db.tenant(gallery.customer_id) as session:
        record = await session.get_one(Optimization, gallery.ids["race"])
        record.trials_done = 321
        record.scoreboard = [{**line, "difference_interval": [-1.5, 9.5]} for line in record.scoreboard]
        session.add(record)
    await expect(meters).to_contain_text("321")
    await shows(page, "−1.5 … +9.5")


async def test_applying_dismissing_and_stopping_an_optimization(office: Office) -> None:
    gallery = office.gallery
    page = await office.person(gallery.username, to=f"/console/optimizations/{gallery.ids['won']}")
    await shows(page, "is better than the prompt as it is")
    await page.get_by_role("link", name="Read the conversations").click()
    await page.get_by_label("Score").select_option("high")
    await page.get_by_role("button", name="Show").click()
    await page.locator(".line a").first.click()
    await shows(page, "Task completion")
    await page.goto(f"{office.address}/console/optimizations/{gallery.ids['race']}")
    await page.get_by_role("button", name="Stop …").click()
    await page.locator("#stop-note").fill("Enough.")
    await page.get_by_role("button", name="Stop it").click()
    await shows(page, "before there was an answer")
    await page.goto(f"{office.address}/console/optimizations/{gallery.ids['won']}")
    await page.get_by_role("button", name="Apply a variant …").click()
    await page.get_by_role("button", name="Apply the variant").click()
    await shows(page, "Applied")
    await page.goto(f"{office.address}/console/prompts/{gallery.prompt}")
    await shows(page, "applied variant")


async def test_many_tabs_share_one_stream(office: Office) -> None:
    page = await office.person()
    tabs = [page]
    for _ in range(7):
        tab = await page.context.new_page()
        await tab.goto(f"{office.address}/console/", timeout=10_000)
        tabs.append(tab)
    await expect(tabs[-1].locator("#pulse")).to_have_text("Live")
    answer = await tabs[-1].goto(f"{office.address}/console/prompts", timeout=10_000)
    assert answer is not None
    assert answer.ok


@pytest.mark.long
async def test_axe_finds_nothing_serious_on_any_page(office: Office) -> None:
    script = axe_source()
    found: dict[str, list[str]] = {}
    for scheme in ("light", "dark"):
        page = await office.person(office.gallery.username, bypass_csp=True, color_scheme=scheme)
        for name, path in {**pages(office.gallery), "sign-in": "/console/sign-in"}.items():
            if scheme == "dark" and name not in COLOURFUL:
                continue
            await page.goto(f"{office.address}{path}")
            await page.evaluate(script)
            rules = "" if scheme == "light" else ", runOnly: ['color-contrast']"
            result = await page.evaluate(f"axe.run(document, {{resultTypes: ['violations']{rules}}})")
            serious = [one for one in result["violations"] if one["impact"] in {"serious", "critical"}]
            if serious:
                nodes = [(one["id"], one["nodes"][0]["html"][:200]) for one in serious]
                found[f"{name} {scheme}"] = [json.dumps(node) for node in nodes]
    assert found == {}


@pytest.mark.long
async def test_narrow_pages_do_not_scroll_sideways(office: Office) -> None:
    size = {"width": 390, "height": 844}
    page = await office.person(office.gallery.username, viewport=size)
    for name, path in pages(office.gallery).items():
        await page.goto(f"{office.address}{path}")
        width = await becomes(lambda: page.evaluate("document.documentElement.scrollWidth"), lambda value: value > 0)
        assert width <= size["width"], f"{name} is {width} px wide"
