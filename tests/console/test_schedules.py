"""Schedules in the console: the form says what the core means, and a whole life of one in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import expect

from console.forms import Form
from console.schedule_forms import draft_of, fields_of, update_of
from redraft.domain.errors import RedraftError
from redraft.domain.schedules.changes import _merged
from redraft.domain.schedules.records import (
    ActionSettings,
    Calendar,
    Conditions,
    Interval,
    Timing,
    conditions_of,
    settings_of,
    timing_of,
)
from redraft.store.ids import new_id
from redraft.store.tables import Schedule
from tests.console.office import Office
from tests.support.browser import shows

TIMINGS = st.one_of(
    st.builds(Timing, cron=st.just(("0 6 * * mon", "30 18 1 * *")), time_zone=st.sampled_from(["UTC", "Asia/Kolkata"])),
    st.builds(
        Timing, interval=st.builds(Interval, every_s=st.integers(60, 10**6), offset_s=st.sampled_from([0, 0, 30]))
    ),
    st.just(Timing(calendar=(Calendar(hour="9"),), time_zone="Europe/Berlin")),
).flatmap(
    lambda timing: st.builds(
        lambda jitter, window: timing.model_copy(update={"jitter_s": jitter, "catchup_window_s": window}),
        st.integers(0, 7_200),
        st.integers(10, 10_000),
    )
)
CONDITIONS = st.builds(
    Conditions,
    min_new_audits=st.none() | st.integers(1, 100),
    mean_score_below=st.none() | st.sampled_from([1.5, 3.25, 5.0]),
    success_worse_than_previous=st.booleans(),
    nothing_open=st.booleans(),
)
SETTINGS = {
    "audit": ActionSettings(sample_size=20),
    "proposal": ActionSettings(sample_size=0, language="de-DE"),
    "optimization": ActionSettings(mode="validation", variant_count=5, intent={"hypothesis": "Fewer <b>words"}),
}


def form(**fields: str) -> Form:
    return Form({name: [value] for name, value in fields.items() if value})


@given(st.sampled_from(sorted(SETTINGS)), TIMINGS, CONDITIONS)
def test_a_form_that_is_saved_as_it_was_opened_changes_nothing(
    action: str, timing: Timing, conditions: Conditions
) -> None:
    schedule = Schedule(
        customer_id=new_id(),
        prompt_id=new_id(),
        action=action,
        timing=timing.model_dump(mode="json"),
        settings=SETTINGS[action].model_dump(mode="json"),
        conditions=conditions.model_dump(mode="json"),
    )
    update = update_of(form(**fields_of(schedule)), schedule, budget=True)
    assert _merged(timing_of(schedule), update.timing) == timing
    assert update.settings is not None
    assert settings_of(schedule) == ActionSettings.model_validate(update.settings.model_dump())
    assert update.conditions == (None if action == "audit" else conditions_of(schedule))
    assert (update.budget, update.budget_usd) == (True, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": "dance"}, "action"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x"}, "prompt"),
        ({"kind": "interval", "every": "-1"}, "every"),
        ({"kind": "interval", "every": ""}, "every"),
        ({"sample_size": "1.5"}, "sample_size"),
        ({"sample_size": "1000"}, "sample_size"),
        ({"mean_score_below": "high"}, "mean_score_below"),
        ({"min_new_audits": "0"}, "min_new_audits"),
        ({"budget_usd": "1 000"}, "budget_usd"),
        ({"name": "a\tb"}, "name"),
    ],
)
def test_what_is_wrong_in_a_form_is_named(changes: dict[str, Any], field: str) -> None:
    good = {"action": "proposal", "prompt": str(new_id()), "kind": "cron", "cron": "0 6 * * *"}
    assert draft_of(form(**good), new_id()).timing.cron == ("0 6 * * *",)
    with pytest.raises(RedraftError) as refused:
        draft_of(form(**{**good, **changes}), new_id())
    assert refused.value.details == {"field": field}


async def test_a_schedule_is_made_run_paused_resumed_changed_and_deleted(office: Office) -> None:
    prompt = await office.world.prompt(name="Late hours")
    page = await office.person(to=f"/console/prompts/{prompt.id}")
    await page.get_by_role("link", name="Create one").click()
    await page.get_by_label("Name").fill("Early look")
    await page.get_by_label("Cron").fill("61 6 * * *")
    await page.get_by_label("Spread over").fill("5")
    await page.get_by_role("button", name="Create the schedule").click()
    await shows(page, "61")
    await expect(page.locator("#problem")).to_contain_text("Cron")
    await expect(page.get_by_label("Spread over")).to_have_value("5")
    await page.get_by_label("Cron").fill("0 6 * * mon-fri")
    await page.get_by_role("button", name="Create the schedule").click()
    await shows(page, "at least 5 audits of the current version are new")
    await page.get_by_role("button", name="Run now").click()
    run = page.locator("details", has_text="No new audits of version 1 are there, at least 5 are wanted.")
    await run.wait_for()  # without a reload
    await run.locator("summary").click()
    await expect(run).to_contain_text("Nothing is open on this prompt.")
    await expect(run.get_by_role("link", name="This run in the Temporal Web UI")).to_be_visible()
    await page.get_by_role("button", name="Pause …").click()
    await page.locator("#pause-note").fill("Holidays.")
    await page.get_by_role("button", name="Pause it").click()
    await shows(page, "Holidays.")
    await page.get_by_role("button", name="Resume").click()
    await shows(page, "Active")
    await page.get_by_role("link", name="Change …").click()
    await page.get_by_label("Again and again").check()
    await page.get_by_label("Every").fill("2")
    await page.get_by_label("Budget of this schedule").fill("7.50")
    await page.get_by_role("button", name="Save the changes").click()
    await shows(page, "every 2 days")
    await shows(page, "of its budget of $7.50")
    await page.get_by_role("button", name="Delete …").click()
    await page.get_by_role("button", name="Delete it").click()
    await shows(page, "There is no schedule")
