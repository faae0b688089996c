"""Schedules in the console: the form says what the core means, and a whole life of one in a real browser."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import expect

from console.forms import Form
from console.schedule_forms import draft_of, fields_of, update_of
from redraft.domain.access import Principal, Role, Scope
from redraft.domain.errors import RedraftError
from redraft.domain.personas import BUILT_IN, create_persona
from redraft.domain.schedules.changes import ScheduleDraft, ScheduleUpdate, create_schedule
from redraft.domain.schedules.checks import settings_of_action
from redraft.domain.schedules.reading import list_runs
from redraft.domain.schedules.records import (
    ActionSettings,
    Calendar,
    Conditions,
    Interval,
    Timing,
    settings_of,
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
AMOUNTS = st.none() | st.decimals("0.000000001", 1_000_000, places=9)
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
SAMPLES = st.integers(1, 100)
SETTINGS: dict[str, st.SearchStrategy[ActionSettings]] = {
    "audit": st.builds(ActionSettings, sample_size=SAMPLES),
    "proposal": st.builds(ActionSettings, sample_size=st.just(0), language=st.sampled_from(["", "de-DE"])),
    "optimization": st.builds(
        ActionSettings,
        sample_size=SAMPLES,
        mode=st.sampled_from(["exploratory", "validation"]),
        variant_count=st.integers(1, 5),
        intent=st.just({})
        | st.fixed_dictionaries({"targetImprovements": st.lists(WORDS, max_size=3), "hypothesis": WORDS}),
        persona_ids=st.lists(st.uuids(), max_size=3, unique=True).map(tuple),
        max_cost_usd=AMOUNTS,
    ),
}
KINDS = st.sampled_from(sorted(SETTINGS)).flatmap(lambda action: st.tuples(st.just(action), SETTINGS[action]))


def form(**fields: str) -> Form:
    return Form({name: [value] for name, value in fields.items() if value})


def opened(schedule: Schedule) -> Form:
    """Return the form as a browser sends it when nothing was touched."""
    sent = form(**{name: value.replace("\n", "\r\n") for name, value in fields_of(schedule).items()})
    return Form(sent.fields | {"persona_ids": sorted(map(str, settings_of(schedule).persona_ids))})


@given(KINDS, TIMINGS, CONDITIONS, AMOUNTS, WORDS)
def test_a_form_that_is_saved_as_it_was_opened_changes_nothing(
    kind: tuple[str, ActionSettings], timing: Timing, conditions: Conditions, budget: Decimal | None, name: str
) -> None:
    action, settings = kind
    schedule = Schedule(
        customer_id=new_id(),
        prompt_id=new_id(),
        name=name,
        action=action,
        timing=timing.model_dump(mode="json"),
        settings=settings.model_dump(mode="json", include=set(settings_of_action(action))),
        conditions=conditions.model_dump(mode="json"),
        budget_usd=budget,
    )
    assert update_of(opened(schedule), schedule, budget=True) == ScheduleUpdate()


def test_what_is_typed_changes_and_the_rest_stays() -> None:
    kept, gone, new = sorted(new_id() for _ in range(3))
    before = ActionSettings(
        intent={"targetImprovements": ["Shorter", "Warmer"], "hypothesis": "Fewer <b>words"},
        persona_ids=(gone, kept),
        max_cost_usd=Decimal("2.5"),
    )
    schedule = Schedule(
        customer_id=new_id(),
        prompt_id=new_id(),
        action="optimization",
        timing=Timing(cron=("0 6 * * *",)).model_dump(mode="json"),
        settings=before.model_dump(mode="json", include=set(settings_of_action("optimization"))),
        conditions=Conditions().model_dump(mode="json"),
    )
    typed = {"target_improvements": ["Shorter\r\n\r\n Politer "], "max_cost_usd": [""], "jitter_minutes": ["5"]}
    sent = Form(opened(schedule).fields | typed | {"persona_ids": [str(new), str(kept)]})
    update = update_of(sent, schedule, budget=True)
    intent = {"targetImprovements": ["Shorter", "Politer"], "hypothesis": "Fewer <b>words"}
    wanted = {"intent": intent, "persona_ids": (kept, new), "max_cost_usd": None}
    assert update == ScheduleUpdate(timing={"jitter_s": 300}, settings=before.model_copy(update=wanted))
    many = Form(sent.fields | {"target_improvements": ["\n".join("abcdefghijklmnopqrstu")]})
    with pytest.raises(RedraftError) as refused:
        update_of(many, schedule, budget=True)
    assert refused.value.details == {"field": "target_improvements"}


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
        ({"action": "optimization", "max_cost_usd": "0"}, "max_cost_usd"),
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


async def scheduled(office: Office, name: str, **more: Any) -> Schedule:
    """Have an optimization scheduled over the API, with what its form does not say in a word."""
    prompt = await office.world.prompt(name=name)
    draft = ScheduleDraft(new_id(), prompt.id, "optimization", Timing(cron=("0 6 * * *",)), name, **more)
    principal = Principal(office.customer.id, "tester", Scope.ADMIN)
    async with office.world.db.tenant(office.customer.id) as session:
        return await create_schedule(session, draft, principal, office.world.settings)


async def test_two_people_change_a_schedule_and_neither_loses_anything(office: Office) -> None:
    async with office.world.db.tenant(office.customer.id) as session:
        own = await create_persona(session, office.customer.id, "A <b>hurried caller", "Never lets anybody finish.")
        settings = ActionSettings(
            intent={"targetImprovements": ["Shorter", "Warmer"], "hypothesis": "\nFewer words\nhelp."},
            persona_ids=(UUID(own.id), UUID(BUILT_IN[2].id)),
        )
    schedule = await scheduled(office, "Both of us", settings=settings)
    await office.customer.new_user("colleague", Role.MANAGER)
    path = f"/console/schedules/{schedule.id}/edit"
    ann, bob = await office.person(to=path), await office.person("colleague", to=path)
    await expect(ann.get_by_label("A <b>hurried caller")).to_be_checked()
    await ann.get_by_role("button", name="Save the changes").click()
    await ann.wait_for_url(f"**/schedules/{schedule.id}")
    assert (await office.world.get(Schedule, schedule.id)).revision == schedule.revision
    await ann.goto(f"{office.address}{path}")
    await ann.get_by_label("What should get better").fill("Shorter\nPoliter")
    await ann.get_by_label("A <b>hurried caller").uncheck()
    await ann.get_by_role("button", name="Save the changes").click()
    await ann.wait_for_url(f"**/schedules/{schedule.id}")
    await bob.get_by_label("Name").fill("Bob's <i>look")
    await bob.get_by_label("Variants").select_option("5")
    await bob.get_by_role("button", name="Save the changes").click()
    await shows(bob, "Somebody changed this schedule after you opened it.")
    await expect(bob.get_by_label("Name")).to_have_value("Bob's <i>look")
    await expect(bob.get_by_label("Variants")).to_have_value("5")
    after_ann = await office.world.get(Schedule, schedule.id)
    assert (after_ann.name, after_ann.revision) == ("Both of us", schedule.revision + 1)
    intent = {**settings.intent, "targetImprovements": ["Shorter", "Politer"]}
    only_one = (settings.persona_ids[1],)
    assert settings_of(after_ann) == settings.model_copy(update={"intent": intent, "persona_ids": only_one})
    await bob.get_by_role("button", name="Save the changes").click()
    await bob.wait_for_url(f"**/schedules/{schedule.id}")
    after_bob = await office.world.get(Schedule, schedule.id)
    saved = settings_of(after_bob)  # as he was told, it replaced her change
    assert (after_bob.name, saved.variant_count, saved.intent) == ("Bob's <i>look", 5, settings.intent)
    assert set(saved.persona_ids) == set(settings.persona_ids)


async def test_due_times_of_the_past_are_run_from_the_page(office: Office) -> None:
    schedule = await scheduled(office, "Missed days", conditions=Conditions(min_new_audits=5))
    page = await office.person(to=f"/console/schedules/{schedule.id}")
    await page.get_by_role("button", name="Backfill …").click()
    await page.get_by_label("From (UTC)").fill("2025-03-03T05:00")
    await page.get_by_label("To (UTC)").fill("2025-03-02T05:00")
    await page.get_by_role("button", name="Run them").click()
    await expect(page.get_by_role("dialog")).to_contain_text("To: ")
    await expect(page.get_by_label("From (UTC)")).to_have_value("2025-03-03T05:00")
    await page.get_by_label("To (UTC)").fill("2025-03-04T07:00")
    await page.get_by_role("button", name="Run them").click()
    runs = page.locator("details", has_text="backfill").filter(has_text="No new audits of version 1 are there")
    await expect(runs).to_have_count(2, timeout=20_000)  # without a reload
    async with office.world.db.tenant(office.customer.id) as session:
        found, _ = await list_runs(session, schedule.id, None, 10, 0)
    assert sorted(run.due_at.isoformat() for run in found if run.due_at) == [
        "2025-03-03T06:00:00+00:00",
        "2025-03-04T06:00:00+00:00",
    ]
