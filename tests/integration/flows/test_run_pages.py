"""Pages of runs: what is found and by whom it is kept, and what can be done with one run."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from flows import reruns, stepping
from flows.models import Deployment, Link, Pair, Run, SavedView
from integrator.accounts.models import AuditEntry, Membership
from tests.builders import NOON, a_person, an_environment
from tests.integration.flows.given import an_event, runs
from tests.integration.flows.reading import Reader, a_dead_run
from tests.integration.flows.test_reruns import a_second_version

pytestmark = pytest.mark.django_db


def shown(page: str, these: list[Run]) -> list[bool]:
    return [f'id="run-{run.public_id}"' in page for run in these]


def saved(reader: Reader, **form: str) -> SavedView:
    """Return a view that the reader has saved."""
    answer = reader.client.post("/w/acme/dev/saved-views/", {"list": "runs", **form})
    assert answer.status_code == 302, answer.content
    return SavedView.objects.latest("pk")


# Finding


def test_runs_and_events_are_found_by_the_ids_of_letters_and_records(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    other, _ = runs(pair, 2)
    dead = a_dead_run(pair)
    Run.objects.filter(pk=dead.pk).update(subject="001000000000001AAA")
    Link.objects.create(
        pair=pair, stripe_id=dead.event.object_id, salesforce_object="Payment__c", external_id="order-17",
        record_id="a0B5g00000XyZabEAF", agreed=b"", first_synced_at=NOON, synced_at=NOON,
    )  # fmt: skip

    for wanted in (dead.dead_letters.get().public_id, "001000000000001", "order-17", str(dead.event_id)):
        assert shown(reader.page("runs/", q=wanted), [other, dead]) == [False, True], wanted
        assert dead.event.external_id in reader.page("events/", q=wanted), wanted


def test_runs_are_narrowed_by_currency_however_it_is_written(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    (euros,) = runs(pair, 1, currency="eur")
    (yen,) = runs(pair, 1, currency="jpy")

    assert shown(reader.page("runs/", currency="eur"), [euros, yen]) == [True, False]
    assert shown(reader.page("runs/", currency="JPY"), [euros, yen]) == [False, True]


def test_runs_are_narrowed_by_version_and_connection(reader: Reader, pair: Pair, live: Deployment) -> None:
    (run,) = runs(pair, 1)
    flow = live.flow.public_id

    assert shown(reader.page("runs/", flow=flow, version="1", connection=pair.stripe.public_id), [run]) == [
        True
    ]
    assert shown(reader.page("runs/", flow=flow, version="2"), [run]) == [False]
    assert shown(reader.page("runs/", connection=pair.salesforce.public_id), [run]) == [False]
    assert run.event.external_id not in reader.page("events/", connection=pair.salesforce.public_id)


def test_a_long_list_is_looked_through_in_steps_and_says_how_to_go_on(
    reader: Reader, pair: Pair, live: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = an_event(pair.stripe, type="rare")
    for _ in range(4):
        an_event(pair.stripe)
    monkeypatch.setattr(stepping, "FIRST", 2)
    monkeypatch.setattr(stepping, "TIME", -1.0)  # after one step it is over

    page = reader.page("events/", type="rare")
    seen = []
    while "Look further back" in page:
        seen.append(wanted.external_id in page)
        older = page.split("Look further back")[0].rsplit('href="?', 1)[1].split('"')[0]
        address = f"/w/acme/dev/events/?{older.replace('&amp;', '&')}"
        page = " ".join(reader.client.get(address).content.decode().split())

    assert seen == [False, False]
    assert wanted.external_id in page


# Views


def test_a_list_opens_with_the_view_that_a_person_chose_and_still_shows_everything(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    dead, other = a_dead_run(pair), runs(pair, 1)[0]
    view = saved(reader, name="In trouble", query="fate=dead&before=x", first="on")

    opened = reader.client.get("/w/acme/dev/runs/")

    assert view.query == {"fate": "dead"}
    assert opened.status_code == 302
    assert shown(reader.client.get(opened["Location"]).content.decode(), [dead, other]) == [True, False]
    assert shown(reader.page("runs/", view="all"), [dead, other]) == [True, True]


def test_others_see_a_view_only_when_it_is_shared_and_do_not_change_it(
    reader: Reader, live: Deployment
) -> None:
    view = saved(reader, name="Mine alone", query="fate=dead")
    vera = Reader(Client(), a_person("vera@acme.test", "viewer"))
    path = f"/w/acme/dev/saved-views/{view.public_id}/"
    assert "Mine alone" not in vera.page("runs/")
    assert vera.client.post(f"{path}delete/").status_code == 404

    reader.client.post(path, {"list": "runs", "name": "For all", "shared": "on"})

    assert "For all" in vera.page("runs/")
    assert vera.client.post(f"{path}delete/").status_code == 403
    assert reader.client.post(f"{path}delete/").status_code == 302
    assert not SavedView.objects.exists()
    told = AuditEntry.objects.filter(action__startswith="view.").order_by("id")
    assert list(told.values_list("action", flat=True)) == ["view.saved", "view.changed", "view.deleted"]


def test_each_view_costs_the_page_no_statement_of_its_own(reader: Reader, live: Deployment) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            reader.page("runs/", fate="dead")
        return len(asked)

    saved(reader, name="0", query="fate=dead")
    few = statements()
    for name in "123":
        saved(reader, name=name, query="fate=dead", shared="on")

    assert statements() == few


def test_a_view_of_a_connection_elsewhere_says_so(reader: Reader, live: Deployment) -> None:
    for list_ in ("runs", "events"):
        assert "No such connection" in reader.page(f"{list_}/", connection="gone")
        assert "No such" not in reader.page(f"{list_}/", fate="dead")
    assert "No such flow" in reader.page("runs/", flow="gone")


def test_an_administrator_of_one_environment_alone_leaves_the_views_of_others_alone(
    reader: Reader, live: Deployment
) -> None:
    view = saved(reader, name="For all", query="fate=dead", shared="on")
    path = f"/w/acme/dev/saved-views/{view.public_id}/delete/"
    person = a_person("ada@acme.test", "admin")
    ada = Reader(Client(), person)
    everywhere = Membership.objects.filter(user=person)
    everywhere.update(environment=an_environment())

    assert ada.client.post(path).status_code == 403
    everywhere.update(environment=None)
    assert ada.client.post(path).status_code == 302


@pytest.mark.parametrize("form", [{"name": "", "query": "fate=dead"}, {"name": "Empty", "query": "before=x"}])
def test_what_cannot_be_kept_is_refused(reader: Reader, live: Deployment, form: dict[str, str]) -> None:
    answer = reader.client.post("/w/acme/dev/saved-views/", {"list": "runs", **form})

    assert answer.status_code == 422
    assert not SavedView.objects.exists()


# One run


def test_a_run_that_is_done_can_be_run_again_from_its_page(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    (run,) = runs(pair, 1)
    Run.objects.filter(pk=run.pk).update(state="done", fate="applied", finished_at=NOON)
    page = reader.page(f"runs/{run.public_id}/")
    assert "Run again" in page
    assert "Cancel…" not in page

    answer = reader.client.post(f"/w/acme/dev/runs/{run.public_id}/retry/", {"version": "own"})

    again = Run.objects.latest("pk")
    assert answer["Location"] == f"/w/acme/dev/runs/{again.public_id}/"
    assert again.replay == 1


def test_what_is_queued_is_offered_to_another_live_version_and_what_waits_its_turn_to_be_tried_now(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    (run,) = runs(pair, 1)
    path = f"runs/{run.public_id}/"
    assert 'name="version"' not in reader.page(path)

    a_second_version(live)
    assert "Run by version 2" in reader.page(path)
    assert 'value="own"' not in reader.page(path)

    Run.objects.filter(pk=run.pk).update(next_attempt_at=timezone.now() + timedelta(hours=1))
    assert "Try now by version 1" in reader.page(path)


def test_a_run_is_cancelled_with_a_reason_by_those_who_may(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    (run,) = runs(pair, 1)
    path = f"runs/{run.public_id}/cancel/"
    vera = Reader(Client(), a_person("vera@acme.test", "viewer"))
    assert "Cancel…" in reader.page(f"runs/{run.public_id}/")
    assert "Cancel…" not in vera.page(f"runs/{run.public_id}/")
    assert vera.press(path, reason="x").status_code == 403
    assert reader.press(path, reason="").status_code == 422

    assert reader.press(path, reason="By hand").status_code == 204

    run.refresh_from_db()
    assert run.reason == "Cancelled: By hand"


def test_what_cannot_be_done_now_is_said(reader: Reader, pair: Pair, live: Deployment) -> None:
    (run,) = runs(pair, 1)
    reruns.cancel(run=run, reason="x", actor="otto", now=NOON)

    answer = reader.press(f"runs/{run.public_id}/cancel/", reason="x")

    assert answer.status_code == 409
    assert "ended already" in answer.content.decode()


def test_the_calls_that_are_copied_hold_no_token(reader: Reader, pair: Pair, live: Deployment) -> None:
    dead = a_dead_run(pair)

    page = reader.page(f"runs/{dead.public_id}/")

    assert f"/api/v1/runs/{dead.public_id}/retry/" in page
    assert "Bearer $INTEGRATOR_TOKEN" in page
