"""What people see and do about missed changes of an org: page and REST."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from connectors import schemas
from connectors.models import Connection, SchemaSnapshot, Topic
from flows import missed_changes, polling, topics
from flows.models import Pair, PolledObject, Resync
from flows.models.leasing import LeasedQuerySet
from integrator.accounts.models import AuditEntry
from integrator.kernel.refusals import Unacceptable
from monitoring.gathering import gather
from monitoring.memory import Memory
from tests.builders import NOON, a_person
from tests.integration.accounts.test_at_once import at_once
from tests.integration.flows.reading import Reader

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def crm(pair: Pair) -> Connection:
    return pair.salesforce


@pytest.fixture
def admin(client: Client) -> Reader:
    return Reader(client, a_person("axel@acme.test", "admin"))


def where(crm: Connection, act: str = "") -> str:
    return f"connections/{crm.public_id}/changes/{act}"


def a_resync(crm: Connection, **fields: Any) -> Resync:
    given = {"object": "Account", "reason": "night", "since": NOON, "created_at": NOON} | fields
    return Resync.objects.create(connection=crm, **given)


def a_polled(crm: Connection, **fields: Any) -> PolledObject:
    now = timezone.now()
    times = {"created_at": now, "reached_at": now, "deleted_until": now}
    return PolledObject.objects.create(
        connection=crm, **({"object": "Account", "every": 60} | times | fields)
    )


def test_the_page_reports_what_was_compared_and_what_is_asked_for(reader, crm):
    a_resync(crm, state="done", compared=420, changed=7, deleted=3, doubtful=2, ended_at=NOON)
    a_resync(crm, object="Order", state="running", failure="No route to host", place_at=NOON)
    a_polled(
        crm, object="Invoice__c", failure="x", failure_code="INVALID_TYPE", retry_at=timezone.now() + HOUR
    )

    page = reader.page(where(crm))

    for told in (
        ">420</td>",
        ">7</td>",
        ">3</td>",
        "Under way",
        "No route to host",
        "Invoice__c",
        "Retrying",
    ):
        assert told in page
    assert "Every day" in reader.page(f"connections/{crm.public_id}/")


def test_objects_are_offered_by_name_and_label(reader, crm):
    objects = [{"name": "Account", "label": "Firm"}, {"name": "Invoice__c", "label": "Bill"}]
    now = timezone.now()
    SchemaSnapshot.objects.create(
        connection=crm, object=schemas.EVERY, number=1, version="v67.0", digest="x",
        content={"objects": objects}, taken_at=now, checked_at=now,
    )  # fmt: skip

    offered = json.loads(reader.page(where(crm, "objects/"), q="bill"))

    assert [one["value"] for one in offered["offers"]] == ["Invoice__c"]


def test_an_operator_has_records_compared_and_stops_that(reader, crm):
    reader.client.post(f"/w/acme/dev/{where(crm, 'compare/')}", {"object": "Account", "since": ""})
    resync = Resync.objects.get()
    reader.client.post(f"/w/acme/dev/{where(crm, f'{resync.pk}/stop/')}")

    resync.refresh_from_db()
    assert (resync.object, resync.reason, resync.actor) == ("Account", "asked", "otto@acme.test")
    assert resync.state == "stopped"
    acts = set(AuditEntry.objects.values_list("action", flat=True))
    assert acts >= {"records.compared", "records.comparing_stopped"}


def test_what_is_asked_for_twice_before_it_begins_is_one_that_goes_back_as_far_as_both(crm):
    now = timezone.now()
    for days in (1, 3, 2):
        since = now - timedelta(days=days)
        missed_changes.compare(connection=crm, object="Account", since=since, actor="ada", now=now)

    assert [one.since for one in Resync.objects.all()] == [now - timedelta(days=3)]


def test_a_comparison_with_an_end_says_so_and_one_that_waits_takes_in_every_window(reader, crm):
    form = {"object": "Account", "since": "2026-01-02T10:00", "until": "2026-01-03T10:00"}
    reader.client.post(f"/w/acme/dev/{where(crm, 'compare/')}", form)
    page = reader.page(where(crm))

    resync = Resync.objects.get()
    assert (resync.since.isoformat(), resync.until.isoformat()) == (
        "2026-01-02T10:00:00+00:00",
        "2026-01-03T10:00:00+00:00",
    )
    assert "2026-01-03" in page
    assert " until " in page
    for until, reached in (("2026-01-01T10:00", resync.until), ("2026-01-04T10:00", "later"), ("", None)):
        earlier = form | {"since": "2026-01-01T09:00", "until": until}
        reader.client.post(f"/w/acme/dev/{where(crm, 'compare/')}", earlier)
        resync.refresh_from_db()
        assert (resync.until.day == 4) if reached == "later" else (resync.until == reached)
    assert resync.since.isoformat() == "2026-01-01T09:00:00+00:00"


@pytest.mark.parametrize(
    ("act", "form", "says"),
    [
        pytest.param("compare/", {"object": "Account WHERE"}, "no API name of an object", id="no object"),
        pytest.param("compare/", {"object": "Paid__e"}, "no API name of an object", id="a platform event"),
        pytest.param(
            "compare/", {"object": "Account", "since": "2099-01-01"}, "has not come", id="the future"
        ),
        pytest.param(
            "compare/",
            {"object": "Account", "since": "2026-01-02T10:00", "until": "2026-01-02T10:00"},
            "later than the beginning",
            id="an end before the beginning",
        ),
        pytest.param("poll/", {"object": "Account", "every": "5"}, "greater than or equal to 10", id="haste"),
        pytest.param(
            "poll/", {"object": "Invoice__c", "every": "60"}, "/data/Invoice__ChangeEvent tells", id="heard"
        ),
        pytest.param("daily/", {"sweep_hour": "24", "sweep_days": "1"}, "less than or equal", id="no hour"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(admin, crm, act, form, says):
    Topic.objects.create(connection=crm, name="/data/Invoice__ChangeEvent", created_at=NOON)

    answer = admin.client.post(f"/w/acme/dev/{where(crm, act)}", form)

    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not Resync.objects.exists()
    assert not PolledObject.objects.exists()


def test_an_administrator_has_an_object_asked_for_and_the_day_set(admin, crm):
    admin.client.post(f"/w/acme/dev/{where(crm, 'poll/')}", {"object": "Account", "every": "120"})
    admin.client.post(f"/w/acme/dev/{where(crm, 'daily/')}", {"sweep_hour": "5", "sweep_days": "0"})
    polled = PolledObject.objects.get()
    crm.refresh_from_db()
    admin.client.post(f"/w/acme/dev/{where(crm, f'polled/{polled.pk}/drop/')}")

    assert (polled.object, polled.every) == ("Account", 120)
    assert (crm.settings["sweep_hour"], crm.settings["sweep_days"]) == (5, 0)
    assert not PolledObject.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_two_people_choose_at_once_is_heard_or_asked_for_and_not_both(crm):
    def act(number: int) -> object:
        known = {"connection": crm, "actor": "ada", "now": NOON}
        if number % 2:
            return topics.choose(name="/data/AccountChangeEvent", **known)
        return missed_changes.poll(object=("Account", "account")[number // 2], every=60, **known)

    outcomes = at_once(act, range(4))

    assert any(isinstance(outcome, Unacceptable) for outcome in outcomes)
    assert Topic.objects.count() + PolledObject.objects.count() == 1


def test_an_object_that_nobody_asks_for_is_alerted_of(crm):
    a_polled(crm, created_at=timezone.now() - HOUR)

    (told,) = gather(now=timezone.now(), memory=Memory()).topics

    assert told.name == f"{crm.name}: Account is not asked for"


def test_an_object_that_is_dropped_while_it_is_taken_up_keeps_no_other_waiting(crm, monkeypatch):
    a_polled(crm)
    take = LeasedQuerySet.take

    def drops(rows, **lease):
        taken = take(rows, **lease)
        PolledObject.objects.all().delete()
        return taken

    monkeypatch.setattr(LeasedQuerySet, "take", drops)

    assert polling.poll_due(now=timezone.now() + HOUR) == 0


def test_stripe_has_no_such_page(reader, pair):
    assert reader.client.get(f"/w/acme/dev/{where(pair.stripe)}").status_code == 404
    with pytest.raises(Unacceptable):
        missed_changes.poll(connection=pair.stripe, object="Account", every=60, actor="ada", now=NOON)


def test_rest_does_the_same(client, crm):
    client.force_login(a_person("axel@acme.test", "admin"))
    address = f"/api/v1/connections/{crm.public_id}/missed-changes/"

    def send(method: str, path: str = "", **body: Any) -> Any:
        return client.generic(method, address + path, json.dumps(body), content_type="application/json")

    begun = send("POST", "comparisons/", object="Account").json()["resyncs"][0]
    stopped = send("POST", f"comparisons/{begun['id']}/stop/").json()["resyncs"][0]
    again = send("POST", f"comparisons/{begun['id']}/stop/")
    polled = send("POST", "polled/", object="Account").json()["polled"][0]
    told = send("PATCH", sweep_hour=4).json()
    dropped = send("DELETE", f"polled/{polled['id']}/").json()

    assert (begun["state"], begun["compared"], stopped["state"], again.status_code) == (
        "waiting", 0, "stopped", 400,
    )  # fmt: skip
    assert (polled["object"], polled["every"], polled["state"]) == ("Account", 60, "idle")
    assert (told["sweep_hour"], told["sweep_days"]) == (4, 3)
    assert dropped["polled"] == []
