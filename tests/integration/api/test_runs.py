"""Runs by REST: found by any id, read in steps, done once more, cancelled, and views of their list kept."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows import stepping
from flows.models import Event, Run, SavedView
from integrator.accounts.roles import Role
from tests.builders import NOON
from tests.integration.flows.given import an_event


def ids(answer):
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


@pytest.mark.parametrize(
    "query",
    [
        lambda stage: {"q": stage.letter.public_id},
        lambda stage: {"q": stage.event.object_id, "type": stage.event.type, "version": "1"},
        lambda stage: {"connection": stage.stripe.public_id},
        lambda stage: {"external_id": stage.event.external_id},
        lambda _: {"created_after": "2026-01-01T00:00:00Z", "created_before": "2099-01-01T00:00:00Z"},
    ],
)
def test_runs_and_events_are_found_by_the_same_as_on_the_screen(admin, stage, query):
    assert ids(admin.get("runs/", **query(stage))) == [stage.run.public_id]


def test_an_event_is_found_by_the_id_of_its_run(admin, stage):
    an_event(stage.stripe)

    assert ids(admin.get("events/", q=stage.run.public_id)) == [stage.event.pk]


def test_a_page_in_which_nothing_fits_says_where_to_look_further(admin, stage, monkeypatch):
    for _ in range(4):
        an_event(stage.stripe, type="other")
    monkeypatch.setattr(stepping, "FIRST", 2)
    monkeypatch.setattr(stepping, "TIME", -1.0)

    first = admin.get("events/", type=stage.event.type).json()

    found, following = list(first["results"]), first["next"]
    while following:
        cursor = following.partition("cursor=")[2].partition("&")[0]
        page = admin.get("events/", type=stage.event.type, cursor=cursor).json()
        found, following = found + page["results"], page["next"]
    assert first["results"] == []
    assert [row["id"] for row in found] == [stage.event.pk]


def test_what_goes_on_while_a_page_is_read_does_not_end_the_list(admin, stage, monkeypatch):
    rows = [an_event(stage.stripe, fate="queued").pk for _ in range(5)]
    read = stepping.Stepwise._ids

    def and_the_newest_goes_on(self, *asked):
        found = read(self, *asked)
        Event.objects.filter(pk=rows[-1]).update(fate="applied")
        return found

    monkeypatch.setattr(stepping.Stepwise, "_ids", and_the_newest_goes_on)

    page = admin.get("events/", fate="queued", limit=2).json()
    found = [row["id"] for row in page["results"]]
    while page["next"]:
        cursor = page["next"].partition("cursor=")[2].partition("&")[0]
        page = admin.get("events/", fate="queued", limit=2, cursor=cursor).json()
        found += [row["id"] for row in page["results"]]

    assert [row for row in found if row in rows] == rows[3::-1]


def test_a_run_is_done_once_more_and_cancelled(admin, stage):
    path = f"runs/{stage.run.public_id}/"

    retried = admin.post(f"{path}retry/", {"version": "own"})
    Run.objects.filter(pk=stage.run.pk).update(next_attempt_at=NOON + timedelta(days=9_000))
    cancelled = admin.post(f"{path}cancel/", {"reason": "By hand"})

    assert (retried.status_code, retried.json()["state"]) == (200, "ready")
    assert (cancelled.status_code, cancelled.json()["fate"]) == (200, "discarded")
    assert admin.post(f"{path}cancel/", {"reason": "x"}).status_code == 409
    assert admin.post(f"{path}cancel/", {}).status_code == 400
    assert admin.post(f"{path}retry/", {"version": "newest"}).status_code == 400
    assert Event.objects.get(pk=stage.event.pk).fate == "discarded"


def test_a_viewer_neither_retries_nor_cancels(program, stage):
    viewer = program(Role.VIEWER)

    for act in ("retry", "cancel"):
        assert viewer.post(f"runs/{stage.run.public_id}/{act}/", {"reason": "x"}).status_code == 403


def test_a_program_keeps_views_for_all(admin, stage):
    given = {"list": "runs", "name": "Dead", "filters": {"fate": "dead", "before": "x"}}
    alone = admin.post("saved-views/", given)
    made = admin.post("saved-views/", {**given, "shared": True})
    again = admin.post("saved-views/", {**given, "shared": True})

    path = f"saved-views/{made.json()['id']}/"
    changed = admin("PATCH", path, {"name": "In trouble"})

    assert [one.status_code for one in (alone, made, again, changed)] == [400, 201, 400, 200]
    assert changed.json()["filters"] == {"fate": "dead"}
    assert ids(admin.get("saved-views/", list="runs")) == [made.json()["id"]]
    assert admin("DELETE", path, None).status_code == 204
    assert not SavedView.objects.exists()
