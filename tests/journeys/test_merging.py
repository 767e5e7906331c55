"""This module tells how two records of one customer become one from here, and what follows them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from connectors import gateway
from connectors.models import Connection
from flows import merges
from flows.merging import checking, undoing, working
from flows.merging.checking import Wanted
from flows.models import Link, Merge, Review, Run
from integrator.accounts.models import AuditEntry
from integrator.accounts.roles import Role
from integrator.kernel.refusals import Unacceptable
from tests.benchmarks.records import Caller
from tests.builders import a_person
from tests.integration.api.conftest import Program
from tests.journeys.both_sides import BothSides
from tests.journeys.bridge import Bridge, Service
from tests.journeys.test_customers import stored
from tests.journeys.test_merges import accounts, an_account

SOAP = "/services/Soap/"


def looked_at(connection: Connection, *ids: str, object_: str = "Account", **more: Any) -> Merge:
    wanted = Wanted(connection, object_, ids, **more)
    return checking.check(wanted, actor="ada", now=timezone.now())


def asked(merge: Merge) -> Merge:
    return working.begin(merge=merge, actor="otto", now=timezone.now())


def go(*, later: timedelta = timedelta()) -> Merge:
    working.go_due(now=timezone.now() + later)
    return Merge.objects.latest("pk")


def test_a_merged_customer_goes_on_with_the_record_that_was_kept(sides: BothSides) -> None:
    sides.live(policy="stripe")
    (customer,) = sides.customers(1)
    crm = sides.bridge.pair.salesforce
    loser, kept = sides.ids[customer], an_account(sides, Name="By hand", Site="Leeds")
    sides.in_salesforce(customer, Stripe_Next_Renewal__c="2027-01-02T03:04:05Z", Description="Two\r\nlines")
    org = sides.bridge.salesforce
    person = org.turn("changes", object="Contact", act="create", values={"LastName": "P", "AccountId": loser})
    sides.settle()

    merge = looked_at(crm, kept, loser, chosen={"Name": loser})

    assert merge.values() == {
        "Name": "Customer 0",
        "Phone": "1",
        "Description": "Two\r\nlines",
        "Stripe_Next_Renewal__c": "2027-01-02T03:04:05.000+00:00",
    }
    assert len(accounts(sides)) == 2  # nothing was changed
    assert working.go_due(now=timezone.now()) == 0
    asked(merge)
    done = go()

    assert (done.state, done.failure) == ("done", "")
    (left,) = accounts(sides).values()
    assert (left["Id"], left["Name"], left["Site"], left["Phone"]) == (kept, "Customer 0", "Leeds", "1")
    assert all(line["ok"] for line in done.verified)
    assert {line["about"] for line in done.verified} >= {"Contact.AccountId", customer, f"Account {loser}"}
    assert (Link.objects.get().record_id, Link.objects.get().merged_from) == (kept, loser)
    undo = undoing.undo_of(done)
    assert undo["restore"] == [{"id": loser, "name": "Customer 0"}]
    assert {one["field"]: one["before"] for one in undo["values"]}["Name"] == "By hand"
    assert [one["ids"] for one in undo["children"]] == [[person["id"]]]
    acts = AuditEntry.objects.filter(action__startswith="merge.").order_by("position")
    assert [(one.action, one.actor) for one in acts] == [
        ("merge.checked", "ada"),
        ("merge.asked", "otto"),
        ("merge.ended", working.ENGINE),
    ]

    sides.settle()
    sides.ids[customer] = kept
    sides.in_stripe(customer, phone="2")
    sides.settle()
    sides.in_salesforce(customer, Name="Changed there")
    sides.settle()

    assert sides.stand()[customer] == ("Changed there", "2", "Changed there", "2")
    assert list(accounts(sides)) == [kept]
    assert not Run.objects.exclude(state="done").exists()
    assert not Review.objects.open().exists()


@pytest.fixture
def org(bridge: Bridge) -> Service:
    return bridge.salesforce


@pytest.fixture
def looked(bridge: Bridge, org: Service) -> Merge:
    ids = [
        str(org.turn("changes", object="Account", act="create", values={"Name": name})["id"])
        for name in ("kept", "lost")
    ]
    return looked_at(bridge.pair.salesforce, *ids, chosen={"Name": ids[1]})


def merged(org: Service, merge: Merge) -> bool:
    return [one["Id"] for one in org.look("records", object="Account")["records"]] == [merge.master]


@pytest.mark.parametrize(
    ("path", "kind", "sent"),
    [
        ("/queryAll", "reset", 1),
        ("/describe", "reset", 1),
        ("/query/", "reset", 1),
        (SOAP, "reset", 2),
        (SOAP, "after", 1),
        (SOAP, "garbage", 2),
    ],
    ids=["asking", "describing", "reading", "lost before", "lost after", "a proxy's page"],
)
def test_whichever_call_is_lost_they_are_merged_once(
    org: Service, looked: Merge, path: str, kind: str, sent: int
) -> None:
    asked(looked)
    org.break_calls(kind, path, times=1)

    first = go()
    assert (first.state, first.attempts) == ("in_doubt" if path == SOAP else "running", 1)
    for minutes in (2, 4):
        go(later=timedelta(minutes=minutes))

    last = Merge.objects.get()
    assert (last.state, last.failure) == ("done", "")
    assert merged(org, looked)
    assert org.calls(SOAP) == sent


def test_after_the_merge_a_lost_look_is_taken_again_and_nothing_is_sent_twice(
    org: Service, looked: Merge
) -> None:
    asked(looked)
    org.break_calls("reset", "/queryAll", nth=2, times=1)

    assert go().merged_at is not None
    assert Merge.objects.get().state == "running"
    assert go(later=timedelta(minutes=1)).state == "done"
    assert org.calls(SOAP) == 1


def test_records_that_have_changed_since_are_not_merged(org: Service, looked: Merge) -> None:
    asked(looked)
    org.turn("changes", object="Account", act="update", id=looked.losers[0], values={"Phone": "9"})

    ended = go()

    assert ended.state == "refused"
    assert "have changed since they were looked at: Phone" in ended.failure
    assert not merged(org, looked)
    assert org.calls(SOAP) == 0


def test_what_salesforce_refuses_is_told_and_nothing_has_changed(
    bridge: Bridge, org: Service, looked: Merge
) -> None:
    now = timezone.now()
    link = Link.objects.create(
        pair=bridge.pair, stripe_id="cus_1", salesforce_object="Account", external_id="cus_1",
        record_id=looked.losers[0], agreed=b"", first_synced_at=now, synced_at=now,
    )  # fmt: skip
    rule = {"object": "Account", "field": "Name", "operator": "=", "value": "lost"}
    org.turn("rules", **rule, message="Names are not lost")
    asked(looked)

    ended = go()

    assert (ended.state, ended.failure_code) == ("refused", "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    assert "Names are not lost" in ended.failure
    assert not merged(org, looked)
    merges.follow_due(now=now)  # nothing is written to the record until it is known to be there
    link.refresh_from_db()
    assert (link.record_id, link.gone_at) == (looked.losers[0], None)


def test_what_is_not_as_it_should_be_afterwards_is_named_until_somebody_has_looked(
    org: Service, looked: Merge, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = gateway.call_many

    def stubborn(**wanted: Any) -> Any:
        if wanted["action"] == "merge":
            for request in wanted["requests"]:
                request["values"] = {"Name": "Set by an automation"}
        return usual(**wanted)

    monkeypatch.setattr(gateway, "call_many", stubborn)
    asked(looked)

    ended = go()

    assert ended.state == "failed"
    assert "other values than were given in Name" in ended.failure
    assert merged(org, looked)
    assert Merge.objects.to_look_at().count() == 1
    working.look_at(merge=ended, actor="otto", now=timezone.now())
    assert not Merge.objects.to_look_at().exists()


def test_a_merge_is_begun_once_soon_and_not_beside_another_of_the_same_record(
    bridge: Bridge, looked: Merge
) -> None:
    other = looked_at(bridge.pair.salesforce, *reversed(looked.ids))
    asked(looked)

    with pytest.raises(working.AlreadyHandled):
        asked(looked)
    with pytest.raises(Unacceptable, match="being merged already"):
        asked(other)
    Merge.objects.filter(pk=other.pk).update(created_at=timezone.now() - timedelta(hours=2))
    with pytest.raises(Unacceptable, match="more than an hour ago"):
        asked(other)


def test_the_screen_leads_from_two_addresses_to_one_record(
    bridge: Bridge, org: Service, looked: Merge, client: Client
) -> None:
    kept, lost = looked.ids
    here = bridge.pair.environment
    client.force_login(a_person("otto@acme.test", Role.APPROVER, here.workspace))
    at = f"/w/{here.workspace.slug}/{here.slug}/merges/"
    org.turn("changes", object="Account", act="update", id=lost, values={"Phone": "<b>7</b>"})
    wrong = client.get(f"{at}new/", {"ids": "kept and lost"})
    addresses = f"https://acme.lightning.force.com/lightning/r/Account/{lost[:15]}/view\n{kept}"
    seen = client.get(f"{at}new/", {"ids": addresses, "object": "Account"})
    page = seen.content.decode()
    form = {"connection": bridge.pair.salesforce.public_id, "object": "Account", "ids": f"{lost},{kept}"}
    elsewhere = client.get(f"{at}new/", {**form, "keep": kept})

    assert "is neither the id of a record" in wrong.content.decode()
    assert f'name="take.Name" value="{lost}" checked' in page
    assert "&lt;b&gt;7&lt;/b&gt;" in page
    assert f'name="take.Name" value="{kept}" checked' in elsewhere.content.decode()

    answer = client.post(f"{at}new/", {**form, "take.Name": kept, "take.Phone": lost})
    merge = Merge.objects.latest("pk")
    dry = client.get(answer["Location"]).content.decode()
    assert (merge.values(), merge.state) == ({"Name": "kept"}, "checked")
    assert "Nothing has changed yet" in dry
    assert client.post(f"{at}{merge.public_id}/run/").status_code == 422  # not ticked
    assert client.post(f"{at}{merge.public_id}/run/", {"sure": "on"}).status_code == 302
    watched = client.get(f"{at}{merge.public_id}/progress/", {"seen": "running"})
    assert "The records are compared with what you have seen" in watched.content.decode()
    assert go().state == "done"
    told = client.get(f"{at}{merge.public_id}/").content.decode()
    assert "The records are one now" in told
    assert "How to take it back" in told
    assert client.get(f"{at}{merge.public_id}/before/").json()["before"][kept]["Name"] == "kept"
    assert merge.public_id in client.get(at).content.decode()


def test_a_program_looks_and_merges_and_who_may_not_sees_no_values(bridge: Bridge, org: Service) -> None:
    workspace, crm = bridge.pair.environment.workspace, bridge.pair.salesforce
    ids = [
        str(org.turn("changes", object="Contact", act="create", values={"LastName": name})["id"])
        for name in ("A", "B")
    ]
    operator, designer = Program("operator", workspace), Program("designer", workspace)
    body = {"connection": crm.public_id, "object": "Contact", "ids": ids}

    bad = operator.post("merges/", {**body, "chosen": {"LastName": "001000000000000"}})
    denied = designer.post("merges/", body)
    looked = operator.post("merges/", {**body, "chosen": {"LastName": ids[1]}})
    again = operator.post(f"merges/{looked.json()['id']}/run/")

    assert (bad.status_code, denied.status_code) == (400, 403)
    assert (looked.status_code, looked.json()["values"]) == (201, {"LastName": "B"})
    assert (again.status_code, again.json()["state"]) == (202, "running")
    assert operator.post(f"merges/{looked.json()['id']}/run/").status_code == 409
    assert go().state == "done"
    shown = designer.get(f"merges/{looked.json()['id']}/").json()
    assert (shown["state"], shown["values"], shown["before"]) == ("done", None, None)
    assert [one["id"] for one in designer.get("merges/", state="done").json()["results"]] == [shown["id"]]
    (left,) = org.look("records", object="Contact")["records"]
    assert (left["Id"], left["LastName"]) == (ids[0], "B")


def test_leads_are_merged_likewise(bridge: Bridge) -> None:
    kept, loser = Caller(bridge.salesforce.url).create(
        "Lead",
        [
            {"LastName": "Lovelace", "Company": "Acme"},
            {"FirstName": "Ada", "LastName": "Lovelace", "Company": "Acme", "Phone": "1"},
        ],
    )
    asked(looked_at(bridge.pair.salesforce, kept, loser, object_="Lead"))

    assert go().state == Merge.State.DONE

    (lead,) = stored(bridge, "Lead")
    assert (lead["Id"], lead["Name"], lead["Phone"]) == (kept, "Ada Lovelace", "1")
    everything = bridge.salesforce.look("records", object="Lead", deleted="true")["records"]
    assert {one["Id"]: one["MasterRecordId"] for one in everything} == {kept: None, loser: kept}
    with pytest.raises(Unacceptable):
        looked_at(bridge.pair.salesforce, kept, loser, object_="Lead")
