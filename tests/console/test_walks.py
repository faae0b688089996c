"""Longer walks through the console in a real browser: an experiment, the end of a session, an administrator's day."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from playwright.async_api import expect
from temporalio.api.sdk.v1 import WorkflowMetadata

from redraft.domain.customers import get_customer
from redraft.store.tables import Optimization, Prompt, Proposal
from tests.console.office import Office
from tests.optimizations.requests import SCRIPT
from tests.support.browser import shows
from tests.support.customers import PASSWORD
from tests.support.experiments import CONTROL_QUALITY
from tests.support.model_replies import auto
from tests.support.scripted_model import with_quality

PATIENCE_S = 60.0


async def test_an_optimization_is_started_followed_to_its_verdict_and_dismissed(office: Office) -> None:
    world = office.world
    prompt = await world.prompt(with_quality("You book tables for {{restaurant}}.", CONTROL_QUALITY), name="Tables")
    world.gemini.default(SCRIPT.reply)
    try:
        page = await office.person(to=f"/console/prompts/{prompt.id}")
        await page.get_by_role("button", name="Start an optimization …").click()
        await page.get_by_label("Variants").select_option("2")
        hard_stop = page.get_by_label("Hard stop at")
        await hard_stop.fill("much")
        await page.get_by_role("button", name="Start it").click()
        dialogue = page.get_by_role("dialog", name="Start an optimization")
        await expect(dialogue).to_contain_text("Hard stop: give a number of US dollars")
        await expect(hard_stop).to_have_value("much")
        await hard_stop.fill("50")
        await page.get_by_role("button", name="Start it").click()
        await shows(page, "is better than the prompt as it is", timeout_s=PATIENCE_S)  # without a reload
        await shows(page, "It has ended.")
        await expect(page.locator("details[id^=variant-]")).to_have_count(2)  # they came while it ran
        await expect(page.get_by_role("button", name="Apply a variant …")).to_have_count(0)  # nobody saw the results
    finally:
        world.gemini.default(auto())
    identifier = page.url.rsplit("/", 1)[1]
    await page.get_by_role("link", name="Show the results").click()
    await page.get_by_role("button", name="Dismiss …").click()
    await page.locator("#dismiss-note").fill("Not before the holidays.")
    await page.get_by_role("button", name="Dismiss it").click()
    await shows(page, "Dismissed")
    await shows(page, "Not before the holidays.")
    record = await world.get(Optimization, UUID(identifier))
    assert (record.dismissed_at is not None, record.decided_by) == (True, office.customer.username)
    assert (await world.get(Prompt, prompt.id)).current_version_id == prompt.current_version_id


async def test_a_session_that_ends_under_an_open_page_is_said_and_nothing_typed_is_lost(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.live.LIFETIME_S", 1.0)  # streams end, and are asked for again, this often
    _, proposal = await office.world.waiting()
    page = await office.person(to=f"/console/proposals/{proposal.id}")
    await page.get_by_role("button", name="Reject …").click()
    note = page.locator("#reject-note")
    await note.fill("Too early.")
    await page.context.clear_cookies()
    await shows(page, "Your session has ended. What you typed stays here")
    await expect(page.locator("#pulse")).to_have_text("Signed out")
    await expect(note).to_have_value("Too early.")
    await page.keyboard.press("Escape")
    async with page.context.expect_page() as opened:
        await page.get_by_role("link", name="sign in in a new tab").click()
    door = await opened.value
    await door.get_by_label("User name").fill(office.customer.username)
    await door.get_by_label("Password").fill(PASSWORD)
    await door.get_by_role("button", name="Sign in").click()
    await shows(door, "Waiting for a decision")
    await page.get_by_role("button", name="Reject …").click()
    await expect(note).to_have_value("Too early.")
    await page.get_by_role("button", name="Reject it").click()
    await shows(page, "Please confirm")  # the form was made for the session that ended
    await shows(page, "Too early.")
    await page.get_by_role("button", name="Send it again").click()
    await shows(page, "Rejected")
    assert (await office.world.get(Proposal, proposal.id)).note == "Too early."


async def test_an_administrator_sets_the_budget_and_lets_somebody_in_by_keyboard_alone(office: Office) -> None:
    page = await office.person(to="/console/usage")
    await page.get_by_role("button", name="Change the budget …").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.type("a lot")
    await page.keyboard.press("Enter")
    dialogue = page.get_by_role("dialog", name="Budget of a month")
    await expect(dialogue).to_contain_text("Budget: give a number of US dollars")
    await page.keyboard.press("Escape")
    await expect(dialogue).to_be_hidden()
    await page.get_by_role("button", name="Change the budget …").press("Enter")
    await page.get_by_label("US dollars a month").fill("1000")
    await page.keyboard.press("Enter")
    await shows(page, "of $1,000.00 used or reserved")
    async with office.world.db.tenant(office.customer.id) as session:
        assert (await get_customer(session, office.customer.id)).monthly_budget_usd == 1000
    await page.get_by_role("link", name="Settings").press("Enter")
    await page.get_by_role("link", name="Users").press("Enter")
    await page.get_by_role("button", name="Create a user …").press("Enter")
    await page.keyboard.type("edsger")
    await page.keyboard.press("Tab")
    await page.keyboard.type("a long enough one")
    await page.keyboard.press("Enter")
    row = page.get_by_role("row", name="edsger")
    await expect(row).to_contain_text("manager")
    await row.get_by_role("button").press("Enter")
    await page.get_by_role("button", name="Disable").locator("visible=true").press("Enter")
    await expect(row).to_contain_text("Disabled")


async def test_a_webhook_is_made_in_the_browser_and_the_open_page_of_events_says_so(office: Office) -> None:
    events = await office.person(to="/console/events")
    await expect(events.locator("#pulse")).to_have_text("Live")
    await events.evaluate("window.sameDocument = true")
    page = await events.context.new_page()
    await page.goto(f"{office.address}/console/webhooks")
    await page.get_by_role("button", name="Create a webhook …").click()
    await page.get_by_label("Address").fill("http://10.0.0.1/hook")
    await page.get_by_label("watch").check()
    await page.get_by_role("button", name="Create it").click()
    dialogue = page.get_by_role("dialog", name="Create a webhook")
    await expect(dialogue).to_contain_text("Address: ")
    await expect(page.get_by_label("watch")).to_be_checked()
    await page.get_by_label("Address").fill("https://hooks.example.com/redraft")
    await page.get_by_role("button", name="Create it").click()
    secret = await page.locator("#secret").inner_text()
    assert secret.startswith("whsec_")
    made = events.get_by_role("listitem").filter(has_text="webhook.created")
    await made.wait_for()
    assert await events.evaluate("window.sameDocument")  # it came without a reload
    await made.get_by_role("link", name="webhook.created").click()
    await shows(events, "https://hooks.example.com/redraft")
    assert secret not in await events.content()
    await events.get_by_role("button", name="Delete …").click()
    await events.get_by_role("button", name="Delete it").click()
    await shows(events, "There is no webhook")


async def test_a_run_leads_to_its_page_and_the_page_to_its_run(office: Office) -> None:
    _, proposal = await office.world.waiting()
    page = await office.person(to=f"/console/proposals/{proposal.id}")
    link = await page.get_by_role("link", name="This run in the Temporal Web UI").get_attribute("href")
    assert link == f"{office.world.settings.public_temporal_ui}/namespaces/default/workflows/proposal-{proposal.id}"
    handle = office.world.client.get_workflow_handle(f"proposal-{proposal.id}")
    shown = await handle.query(
        "__temporal_workflow_metadata", result_type=WorkflowMetadata, rpc_timeout=timedelta(seconds=20)
    )
    address = f"{office.world.settings.public_url}/console/proposals/{proposal.id}"
    assert f"[Open in the console]({address})" in shown.current_details
