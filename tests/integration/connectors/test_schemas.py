"""What an object consists of is asked over real HTTP, kept where it has changed, and told field by field."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from connectors import gateway, schemas
from connectors.models import Connection, SchemaSnapshot
from tests.builders import NOON, a_person
from tests.integration.connectors.rig import USERNAME

LATER = NOON + timedelta(hours=1)
DESCRIBE = "/services/data/v67.0/sobjects/Payment__c/describe"


def ask(connection: Connection, name: str = "Payment__c", **more: Any) -> schemas.Schema:
    return schemas.of(connection=connection, object=name, **{"now": NOON, **more})


def field(schema: schemas.Schema, name: str) -> dict[str, Any]:
    return next(dict(one) for one in schema.fields if one["name"] == name)


def test_an_object_is_described_once_and_then_known(crm, org):
    first = ask(crm)
    second = ask(crm, now=NOON + timedelta(minutes=9))

    assert first == second
    assert field(first, "Status__c")["picklistValues"][0]["value"] == "Pending"
    assert len(org.calls(DESCRIBE)) == 1


def test_what_has_not_changed_is_not_sent_again_and_not_kept_twice(crm, org):
    ask(crm)

    again = ask(crm, now=LATER)

    assert again.checked_at == LATER
    assert again.taken_at == NOON
    assert [call["status"] for call in org.calls(DESCRIBE)] == [200, 304]
    assert SchemaSnapshot.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        pytest.param({"field": "Card_Brand__c", "length": 20}, ["shorter"], id="a shorter text"),
        pytest.param({"field": "Card_Brand__c", "remove": True}, ["removed"], id="a removed field"),
        pytest.param({"field": "Card_Brand__c", "nillable": False}, ["required"], id="a value is needed"),
        pytest.param(
            {"field": "Status__c", "choices": ["Pending", "Paid"]},
            ["value_added", "value_gone"],
            id="a picklist",
        ),
    ],
)
def test_a_change_in_the_org_is_told_field_by_field(crm, org, change, kinds):
    ask(crm)
    org.post("fields", object="Payment__c", **change)

    ask(crm, now=LATER)

    told = schemas.since(connection=crm, object="Payment__c", moment=NOON)
    assert sorted(one.kind for one in told) == kinds
    assert {one.field for one in told} == {change["field"]}
    (latest,) = schemas.changes(connection=crm, object="Payment__c")
    assert (latest.at, list(latest.differences)) == (LATER, told)


def test_a_field_that_the_user_may_not_change_any_more_has_lost_a_right(crm, org):
    ask(crm)
    org.post("permissions", username=USERNAME, object="Payment__c", field="Card_Brand__c", level="readonly")

    ask(crm, now=LATER)

    told = schemas.since(connection=crm, object="Payment__c", moment=NOON)
    assert [one.kind for one in told] == ["lost_create", "lost_update"]


def test_an_outage_leaves_what_was_known_and_says_so(crm, org):
    ask(crm)
    org.break_("before", match_path="/describe", params={"status": 503})

    told = ask(crm, now=LATER)

    assert told.checked_at == NOON
    assert told.age(now=LATER) == timedelta(hours=1)
    assert told.failed_at == LATER
    assert told.failure
    calls = len(org.calls(DESCRIBE))
    assert ask(crm, now=LATER + timedelta(seconds=30)) == told
    assert len(org.calls(DESCRIBE)) == calls  # it is not asked again at once


def test_an_object_nobody_has_ever_seen_is_told_in_words(crm):
    with pytest.raises(schemas.Unavailable, match="Salesforce has no object Nothing__c"):
        ask(crm, "Nothing__c")

    assert not SchemaSnapshot.objects.exists()


@pytest.mark.parametrize("name", ["../query", "Account/describe", "A b", "", "x" * 101, "Ünicode__c"])
def test_a_name_that_is_none_is_refused_and_never_asked_for(crm, org, name):
    with pytest.raises(schemas.Unavailable, match="no API name"):
        ask(crm, name)

    assert not org.calls("sobjects")


def test_an_object_that_is_gone_is_kept_as_gone_and_its_fields_with_it(crm, org):
    ask(crm)
    body = json.dumps([{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}])
    org.break_("before", match_path="/describe", params={"status": 404, "body": body})

    told = ask(crm, now=LATER)

    assert told.gone
    assert [one.kind for one in schemas.since(connection=crm, object="Payment__c", moment=NOON)] == ["gone"]


def test_nothing_is_asked_inside_a_transaction(crm):
    with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
        ask(crm)


def test_what_is_known_is_read_inside_a_transaction(crm):
    known = ask(crm)

    with transaction.atomic():
        assert schemas.kept(connection=crm, object="Payment__c") == known


def test_all_objects_are_listed_with_what_may_be_done_with_them(crm):
    told = ask(crm, schemas.EVERY)

    objects = {one["name"]: one for one in told.content["objects"]}
    assert {"Account", "Contact", "Payment__c", "Integration_Effect__c"} <= set(objects)
    assert objects["Payment__c"]["createable"]
    assert objects["Payment__c"]["label"] == "Payment"


def test_many_objects_are_asked_for_in_one_go(crm, org):
    names = ["Account", "Payment__c", "Nothing__c"]

    told = schemas.of_many(connection=crm, objects=names, now=NOON)

    assert [type(told[name]).__name__ for name in names] == ["Schema", "Schema", "Unknown"]


def test_old_snapshots_make_room_for_new_ones(crm, org, monkeypatch):
    monkeypatch.setattr(schemas, "MOST_KEPT", 2)
    for number in range(4):
        org.post("fields", object="Payment__c", field="Card_Brand__c", length=100 + number)
        ask(crm, now=NOON + timedelta(hours=number), in_full=True)

    kept = SchemaSnapshot.objects.values_list("number", flat=True)
    assert sorted(kept) == [3, 4]


def test_a_stripe_object_comes_from_the_sdk_without_a_call(billing, stripe_sandbox):
    before = len(stripe_sandbox.calls(""))

    told = ask(billing, "charge")

    assert {one["path"]: one["type"] for one in told.fields}["amount"] == "amount"
    assert "2026" in told.version
    assert len(stripe_sandbox.calls("")) == before


def test_an_unknown_stripe_object_is_told_in_words(billing):
    with pytest.raises(schemas.Unavailable, match="no objects of type 'nonsense'"):
        ask(billing, "nonsense")


def test_a_newer_sdk_shows_what_has_gone_and_what_to_use_instead(billing, monkeypatch):
    ask(billing, "invoice")
    content = dict(schemas.stripe_content("invoice"))
    moved = {"path": "number", "removed": "identifier"}
    content["fields"] = [{**one, **moved} if one["path"] == "number" else one for one in content["fields"]]
    monkeypatch.setattr(schemas, "stripe_content", lambda _kind: content)

    ask(billing, "invoice", now=LATER)

    (told,) = schemas.since(connection=billing, object="invoice", moment=NOON)
    assert told.text == "number has gone. Use identifier."


def test_a_paused_connection_tells_what_it_knew(crm):
    known = ask(crm)
    crm.pause(reason="Deployment")
    gateway.forget(crm.pk)

    told = ask(crm, now=LATER)

    assert told.content == known.content
    assert "paused" in told.failure.lower()


@pytest.mark.parametrize(
    "label", ["<script>alert(1)</script>", "\u202egnp.exe", "a" * 300, "' OR 1=1 --", "💥" * 90]
)
def test_a_hostile_label_is_kept_as_the_text_that_it_is(crm, org, label):
    org.post("fields", object="Payment__c", field="Card_Brand__c", label=label)

    told = ask(crm, in_full=True)

    assert field(told, "Card_Brand__c")["label"] == label[:255]


def test_two_who_ask_at_the_same_moment_keep_one_snapshot(billing, monkeypatch):
    def slow(connection, names, known):
        monkeypatch.undo()
        ask(billing, "refund")  # somebody else, in the meantime
        return {"refund": {"content": schemas.stripe_content("refund"), "modified": ""}}

    monkeypatch.setitem(schemas._ASK, "stripe", slow)

    told = ask(billing, "refund")

    assert told == schemas.kept(connection=billing, object="refund")
    assert SchemaSnapshot.objects.count() == 1


def test_a_designer_asks_again_and_sees_what_an_administrator_of_the_org_has_done(crm, org, client):
    client.force_login(a_person("ada@acme.test", "designer"))
    pages = f"/w/acme/dev/connections/{crm.public_id}/fields/"
    first = client.get(f"{pages}of/Payment__c/").content.decode()
    org.post("fields", object="Payment__c", field="Card_Brand__c", length=20)

    answer = client.post(f"{pages}ask/", {"object": "Payment__c"}, follow=True)
    again = client.post(f"{pages}ask/", {"object": "Payment__c"}, follow=True)

    assert "up to 40 characters" in first
    assert "Card_Brand__c takes 20 characters; it took" in answer.content.decode()
    assert "It was read anew." in answer.content.decode()
    assert "Nothing has changed." in again.content.decode()
    assert "Payment__c" in client.get(pages).content.decode()
