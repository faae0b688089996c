"""Schedules over HTTP: what is answered, what is refused and why, who may do what."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from redraft.domain.access import Scope
from redraft.settings import Settings
from tests.conftest import MakeCustomer
from tests.schedules.board import SCHEDULES, YEARLY, Board, Json, refused
from tests.support.customers import bearer

NOW = datetime.now(UTC)
PAST = {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-31T00:00:00Z"}


async def test_everything_that_is_sent_is_answered(board: Board) -> None:
    body = board.body(
        name="Weekday mornings",
        action="optimization",
        calendar=[{"hour": "9", "dayOfWeek": "mon-fri"}],
        timeZone="Europe/Berlin",
        jitterSeconds=300,
        catchupWindowSeconds=600,
        settings={
            "sampleSize": 5,
            "mode": "validation",
            "variantCount": 2,
            "intent": {"targetImprovements": ["clarity"], "hypothesis": "Examples help"},
            "personaIds": ["persona_00000000-0000-4000-8000-000000000002"],
            "maxCostUsd": 2.5,
        },
        when={"minNewAudits": 5, "meanScoreBelow": 3.5, "successWorseThanPrevious": True, "nothingOpen": False},
        budgetUsd=20.25,
    )
    answer = await board.http.post(SCHEDULES, json=body)
    made = answer.json()
    assert answer.status_code == 201
    assert re.fullmatch(r"sched_[0-9a-f-]{36}", made["id"])
    body["calendar"] = [
        {"minute": "0", "hour": "9", "dayOfMonth": "*", "month": "*", "dayOfWeek": "mon-fri", "year": "*"}
    ]
    assert {name: made[name] for name in body} == body
    assert (made["cron"], made["interval"], made["overlap"]) == (None, None, "skip")
    assert (made["paused"], made["pauseNote"], made["lastRun"]) == (False, "", None)
    assert (made["revision"], made["applied"], made["problem"]) == (1, True, "")
    assert made["createdBy"].startswith("first key")
    due = [datetime.fromisoformat(moment) for moment in made["nextRuns"]]
    assert len(due) == 10
    assert all(moment > NOW for moment in due)
    assert answer.headers["ETag"] == '"1"'
    again = await board.http.get(f"{SCHEDULES}/{made['id']}")
    assert (again.json(), again.headers["ETag"]) == (made, '"1"')


async def test_what_is_left_out_has_defaults(board: Board) -> None:
    made = await board.make()
    assert (made["name"], made["timeZone"], made["jitterSeconds"], made["catchupWindowSeconds"]) == ("", "UTC", 0, 3600)
    assert made["settings"] == {"sampleSize": 10, "language": ""}
    assert made["when"] == {
        "minNewAudits": None,
        "meanScoreBelow": None,
        "successWorseThanPrevious": False,
        "nothingOpen": True,
    }
    audit = await board.make(action="audit")
    assert (audit["settings"], audit["when"], audit["budgetUsd"]) == ({"sampleSize": 10}, None, None)


TWO = {"interval": {"everySeconds": 60}, "cron": ["* * * * *"]}
EVERY_MINUTE = {"interval": {"everySeconds": 60}}


WRONG: list[tuple[Json, str]] = [
    ({"cron": ["0 9 * *"]}, "cron.0: has 4 fields; five are needed"),
    ({"cron": ["@daily", "0 0 30 2 *"]}, "cron.1: is never due"),
    ({"cron": []}, "cron: list should have at least 1 item"),
    ({"cron": ["@daily"] * 21}, "cron: list should have at most 20 items"),
    ({"calendar": [{"hour": "25"}]}, "calendar.0: the hour '25' is not understood; use 0 to 23"),
    ({"calendar": [{"year": "2020"}]}, "calendar.0: is never due"),
    (TWO, "cron: a schedule has either cron, interval or calendar; cron and interval are given"),
    ({"cron": None}, "cron: a schedule has either cron, interval or calendar; none is given"),
    ({"interval": {"everySeconds": 0}}, "interval.everySeconds: must be from 1 to"),
    ({"interval": {"everySeconds": 60, "offsetSeconds": 60}}, "interval.offsetSeconds: must be from 0 to 59"),
    ({"timeZone": "Mars/Olympus"}, "timeZone: is not a time zone of the IANA database; use one such as UTC"),
    ({"timeZone": "localtime"}, "timeZone: is not a time zone"),
    (EVERY_MINUTE | {"timeZone": "Europe/Berlin"}, "timeZone: an interval counts seconds and follows no clock"),
    (EVERY_MINUTE | {"jitterSeconds": 61}, "jitterSeconds: must not be larger than the 60 seconds"),
    ({"cron": ["0 * * * *"], "jitterSeconds": 3601}, "jitterSeconds: must not be larger than the 3,600 seconds"),
    ({"jitterSeconds": 100_000}, "jitterSeconds: input should be less than or equal to 86400"),
    ({"catchupWindowSeconds": 9}, "catchupWindowSeconds: input should be greater than or equal to 10"),
    ({"overlap": "buffer_all"}, "overlap: input should be 'skip'"),
    ({"action": "deploy"}, "action: input should be 'proposal', 'optimization' or 'audit'"),
    ({"action": "audit", "settings": {"language": "de"}}, "settings.language: is a setting of the action proposal"),
    ({"settings": {"variantCount": 2}}, "settings.variantCount: is a setting of the action optimization"),
    ({"action": "audit", "settings": {"sampleSize": 0}}, "settings.sampleSize: must be at least 1"),
    ({"settings": {"sampleSize": 101}}, "settings.sampleSize: input should be less than or equal to 100"),
    ({"settings": {"language": "no such"}}, "settings.language: "),
    (
        {"action": "optimization", "settings": {"personaIds": [f"persona_{uuid4()}"]}},
        "settings.personaIds: there is no persona",
    ),
    ({"action": "optimization", "settings": {"personaIds": ["x"]}}, "settings.personaIds: must be an id such as"),
    (
        {"action": "audit", "when": {"minNewAudits": 3}},
        "when.minNewAudits: a schedule that audits does so each time",
    ),
    ({"when": {"meanScoreBelow": 5.5}}, "when.meanScoreBelow: input should be less than or equal to 5"),
    ({"when": {"minNewAudits": 0}}, "when.minNewAudits: input should be greater than or equal to 1"),
    ({"budgetUsd": -1}, "budgetUsd: input should be greater than or equal to 0"),
    ({"promptId": f"prompt_{uuid4()}"}, "promptId: there is no prompt with this id"),
    ({"promptId": "prompt_x"}, "promptId: must be an id such as prompt_"),
    ({"name": "x" * 256}, "name: string should have at most 255 characters"),
]


async def test_each_wrong_field_is_named_with_what_would_be_right(board: Board) -> None:
    answers = {said: await board.http.post(SCHEDULES, json=board.body(**fields)) for fields, said in WRONG}
    found = {said: refused(answer, 400, "VALIDATION_ERROR") for said, answer in answers.items()}
    assert {said: message for said, message in found.items() if not message.startswith(said)} == {}
    assert (await board.http.get(SCHEDULES)).json()["pagination"]["total"] == 0


async def test_the_least_interval_is_a_setting_for_every_kind(
    board: Board, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings.model_fields["schedule_min_interval_s"].default == 60
    monkeypatch.setattr(settings, "schedule_min_interval_s", 3600)
    for fields, said in (
        ({"interval": {"everySeconds": 3599}}, "interval.everySeconds: must be from 3,600"),
        ({"cron": ["*/30 * * * *"]}, "cron.0: is due more often than every 3,600 seconds"),
        ({"calendar": [{"minute": "0,59", "hour": "3"}]}, "calendar.0: is due more often"),
    ):
        answer = await board.http.post(SCHEDULES, json=board.body(**fields))
        assert refused(answer, 400, "VALIDATION_ERROR").startswith(said)
    await board.make(cron=["0 * * * *"])


async def test_a_customer_has_so_many_schedules_at_most(
    board: Board, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "max_schedules", 2)
    first, _ = [await board.make() for _ in range(2)]
    said = refused(await board.http.post(SCHEDULES, json=board.body()), 409, "CONFLICT")
    assert said == "there are 2 schedules already, which is the most; delete one"
    await board.http.delete(f"{SCHEDULES}/{first['id']}")
    await board.make()


async def test_a_patch_changes_what_it_names(board: Board) -> None:
    made = await board.make(name="a", budgetUsd=5, settings={"sampleSize": 3, "language": "de-DE"})
    changed = await board.change(made, name="b", when={"minNewAudits": 2}, catchupWindowSeconds=60)
    assert (changed["name"], changed["when"]["minNewAudits"], changed["when"]["nothingOpen"]) == ("b", 2, True)
    assert (changed["settings"], changed["budgetUsd"]) == ({"sampleSize": 3, "language": "de-DE"}, 5)
    assert (changed["cron"], changed["revision"]) == (YEARLY["cron"], 2)
    changed = await board.change(made, settings={"sampleSize": 4}, budgetUsd=None)
    assert (changed["settings"], changed["budgetUsd"]) == ({"sampleSize": 4, "language": ""}, None)
    same = await board.change(made, **{**changed, "nextRuns": None})  # sent back as it was read
    assert same["revision"] == changed["revision"]
    for fields, said in (
        ({"action": "audit"}, "action: a schedule keeps its action, proposal"),
        ({"promptId": f"prompt_{uuid4()}"}, "promptId: a schedule keeps its prompt"),
        ({"cron": ["x"]}, "cron.0: has 1 fields"),
        ({"jitterSeconds": 86_401}, "jitterSeconds: "),
        ({"timeZone": "x"}, "timeZone: "),
        ({"settings": {"mode": "validation"}}, "settings.mode: is a setting of the action optimization"),
    ):
        answer = await board.http.patch(f"{SCHEDULES}/{made['id']}", json=fields)
        assert refused(answer, 400, "VALIDATION_ERROR").startswith(said)
    assert (await board.read(made))["revision"] == same["revision"]


async def test_if_match_keeps_a_change_from_undoing_another(board: Board) -> None:
    made = await board.make()
    path = f"{SCHEDULES}/{made['id']}"
    assert (await board.http.patch(path, json={"name": "a"}, headers={"If-Match": '"1"'})).headers["ETag"] == '"2"'
    stale = await board.http.patch(path, json={"name": "b"}, headers={"If-Match": '"1"'})
    assert refused(stale, 412, "DRIFTED") == "If-Match: the schedule is at revision 2 now; read it again"
    assert (await board.http.patch(path, json={"name": "b"}, headers={"If-Match": "*"})).status_code == 200


async def test_a_repeated_request_makes_one_schedule(board: Board) -> None:
    headers = {"Idempotency-Key": "one"}
    first, second = [await board.http.post(SCHEDULES, json=board.body(), headers=headers) for _ in range(2)]
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert (await board.http.get(SCHEDULES)).json()["pagination"]["total"] == 1


async def test_lists_filter_and_page(board: Board) -> None:
    first, second = await board.make(name="first"), await board.make(name="second", paused=True)
    other = await board.http.post("/api/v1/prompts", json={"name": "x", "content": "x", "llmModel": "m"})

    async def names(query: str) -> list[str]:
        answer = await board.http.get(f"{SCHEDULES}?{query}")
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json()["data"]]

    assert await names("") == ["second", "first"]
    assert await names("paused=true") == ["second"]
    assert await names("paused=false") == ["first"]
    assert await names(f"promptId={board.prompt_id}&limit=1&offset=1") == ["first"]
    assert await names(f"promptId={other.json()['id']}") == []
    await board.add_run(first, status="skipped", reason="NOTHING_NEW", message="No new audits.")
    listed = (await board.http.get(SCHEDULES)).json()
    assert listed["pagination"] == {"total": 2, "limit": 20, "offset": 0}
    assert [each["lastRun"] and each["lastRun"]["reason"] for each in listed["data"]] == [None, "NOTHING_NEW"]
    assert listed["data"][0] == await board.read(second)


async def test_runs_are_listed_newest_first_and_by_status(board: Board) -> None:
    made = await board.make()
    await board.add_run(made, status="skipped", reason="NOTHING_NEW", saw={"newAudits": 0}, due_at=NOW)
    await board.add_run(made, run_key="second", status="started", audits_started=3, cost_usd=0.5)
    newest, oldest = await board.runs(made)
    assert (newest["status"], newest["auditsStarted"], newest["costUsd"], newest["dueAt"]) == ("started", 3, 0.5, None)
    assert re.fullmatch(r"schedrun_[0-9a-f-]{36}", newest["id"])
    assert (oldest["scheduleId"], oldest["saw"], oldest["cause"]) == (made["id"], {"newAudits": 0}, "schedule")
    assert datetime.fromisoformat(oldest["dueAt"]) == NOW
    path = f"{SCHEDULES}/{made['id']}/runs"
    assert [run["id"] for run in (await board.http.get(f"{path}?status=skipped")).json()["data"]] == [oldest["id"]]
    assert [run["id"] for run in (await board.http.get(f"{path}?limit=1&offset=1")).json()["data"]] == [oldest["id"]]
    refused(await board.http.get(f"{path}?status=lost"), 400, "VALIDATION_ERROR")


async def test_pause_and_resume(board: Board) -> None:
    made = await board.make()
    paused = (await board.post(made, "pause", {"note": "Holidays"})).json()
    assert (paused["paused"], paused["pauseNote"], paused["nextRuns"], paused["revision"]) == (True, "Holidays", [], 2)
    assert (await board.post(made, "pause", {"note": "Holidays"})).json()["revision"] == 2
    resumed = (await board.post(made, "resume")).json()
    assert (resumed["paused"], resumed["pauseNote"], len(resumed["nextRuns"])) == (False, "", 10)
    assert (await board.post(made, "pause")).json()["paused"] is True


async def test_deleted_is_gone_from_everywhere(board: Board) -> None:
    made = await board.make()
    assert (await board.http.delete(f"{SCHEDULES}/{made['id']}")).status_code == 204
    assert await board.described(made) is None
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/runs"), ("POST", "/trigger")):
        answer = await board.http.request(method, f"{SCHEDULES}/{made['id']}{path}", json={})
        assert refused(answer, 404, "NOT_FOUND") == "schedule not found"
    assert (await board.http.get(SCHEDULES)).json()["data"] == []


async def test_deleting_the_prompt_pauses_its_schedules_for_good(board: Board) -> None:
    made, resting = await board.make(), await board.make(paused=True)
    await board.post(resting, "pause", {"note": "by Ann"})
    ai = board.prompt_id.removeprefix("prompt_")
    assert (await board.http.delete(f"/v1.0/ais/{ai}")).status_code == 200
    while await board.relay():
        pass
    seen = await board.read(made)
    assert (seen["paused"], seen["pauseNote"], seen["applied"]) == (True, "the prompt was deleted", True)
    described = await board.described(made)
    assert described is not None
    assert described.schedule.state.paused
    assert (await board.read(resting))["pauseNote"] == "by Ann"
    for what, body in (("resume", None), ("trigger", None), ("backfill", PAST)):
        said = refused(await board.post(made, what, body), 409, "INVALID_STATE")
        assert said == "the prompt was deleted; its schedules stay paused"
    answer = await board.http.patch(f"{SCHEDULES}/{made['id']}", json={"paused": False})
    refused(answer, 409, "INVALID_STATE")
    refused(await board.http.post(SCHEDULES, json=board.body()), 400, "VALIDATION_ERROR")


async def test_a_manager_changes_schedules_and_only_an_administrator_their_budgets(board: Board) -> None:
    made = await board.make(budgetUsd=5)
    path = f"{SCHEDULES}/{made['id']}"
    writer, reader = [bearer(await board.customer.new_key(scope)) for scope in (Scope.WRITE, Scope.READ)]
    said = refused(await board.http.post(SCHEDULES, json=board.body(budgetUsd=1), headers=writer), 403, "FORBIDDEN")
    assert said == "budgetUsd: the budget of a schedule needs the scope admin; the credential has write"
    for budget in (6, None):
        refused(await board.http.patch(path, json={"budgetUsd": budget}, headers=writer), 403, "FORBIDDEN")
    same = await board.http.patch(path, json={"budgetUsd": 5, "name": "a"}, headers=writer)
    assert (same.status_code, same.json()["budgetUsd"]) == (200, 5)
    assert (await board.http.post(SCHEDULES, json=board.body(), headers=writer)).status_code == 201
    assert (await board.http.get(path, headers=reader)).status_code == 200
    for what in ("pause", "resume", "trigger", "backfill"):
        refused(await board.http.post(f"{path}/{what}", headers=reader, json=PAST), 403, "FORBIDDEN")
    assert (await board.read(made))["paused"] is False


async def test_another_customers_schedule_is_none(board: Board, make: MakeCustomer) -> None:
    made = await board.make()
    await board.add_run(made)
    stranger = (await make("other")).headers
    requests: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("GET", "/runs", None),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("POST", "/trigger", None),
        ("POST", "/backfill", PAST),
    ]
    for method, path, body in requests:
        answer = await board.http.request(method, f"{SCHEDULES}/{made['id']}{path}", json=body, headers=stranger)
        assert refused(answer, 404, "NOT_FOUND") == "schedule not found"
    assert (await board.http.get(SCHEDULES, headers=stranger)).json()["data"] == []
    answer = await board.http.post(SCHEDULES, json=board.body(), headers=stranger)
    assert refused(answer, 400, "VALIDATION_ERROR") == "promptId: there is no prompt with this id"
    assert await board.read(made) == {**made, "lastRun": (await board.runs(made))[0]}


def window(start: timedelta, end: timedelta) -> Json:
    """Return a window of time by how long ago it began and ended."""
    moment = datetime.now(UTC)
    return {"startAt": (moment - start).isoformat(), "endAt": (moment - end).isoformat()}


DAY = timedelta(days=1)


async def test_a_backfill_is_bounded(board: Board) -> None:
    refusals: list[tuple[Json, str]] = [
        ({}, "startAt: field required"),
        ({"startAt": "yesterday", "endAt": "2026-01-31T00:00:00Z"}, "startAt: input should be a valid datetime"),
        ({"startAt": "2026-01-31T00:00:00Z", "endAt": "2026-01-31T00:00:00Z"}, "endAt: must be after startAt"),
        (window(DAY, -DAY), "endAt: must not be in the future"),
        (window(400 * DAY, DAY), "startAt: must be at most 366 days before endAt"),
        (window(2 * DAY, timedelta(hours=47.9)), "startAt: the schedule has no due time between startAt and endAt"),
        (window(8 * DAY, DAY), "startAt: there are 168 due times until endAt; at most 100 are run at once"),
        (window(300 * DAY, DAY), "startAt: there are 1,000 due times or more until endAt; at most 100"),
    ]
    half_an_hour_ago = datetime.now(UTC) - timedelta(minutes=30)
    made = await board.make(interval={"everySeconds": 3600, "offsetSeconds": half_an_hour_ago.minute * 60})
    for body, said in refusals:
        assert refused(await board.post(made, "backfill", body), 400, "VALIDATION_ERROR").startswith(said)


async def test_while_temporal_is_slow_a_change_is_kept_and_a_run_refused(
    board: Board, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await board.make()
    monkeypatch.setattr(settings, "temporal_timeout_s", 0.001)
    refused(await board.post(made, "trigger"), 503, "UNAVAILABLE")
    monkeypatch.setattr("api.schedules.QUICKLY_S", 0.0001)
    changed = await board.change(made, cron=["0 7 1 1 *"])
    assert (changed["cron"], changed["revision"], changed["applied"]) == (["0 7 1 1 *"], 2, False)
    await board.reconcile()
    assert (await board.read(made))["applied"] is True
