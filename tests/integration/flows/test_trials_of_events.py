"""Trials of events that were handled: what their runs read, and what was written, is what is known."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flows.models import Event, Link
from flows.trials import current
from flows.trials.occasions import Unusable, of_event
from flows.trials.running import ready, try_out
from integrator import vault
from integrator.kernel import canonical
from tests.builders import NOON
from tests.integration.flows.given import a_charge, a_worker, an_event
from tests.integration.flows.trying import a_document, pasted, trial
from tests.integration.flows.two_systems import DUN, UPSERT, a_deployed_flow, work_until_quiet

pytestmark = pytest.mark.django_db


def test_an_event_is_tried_with_what_its_run_read(pair, systems):
    found = {"Id": "001000000000001AAA", "Name": "succeeded"}
    systems.answers["find"] = lambda _request: {"records": [found]}
    find = {
        "id": "find",
        "kind": "salesforce.find",
        "settings": {
            "object": "Account",
            "by": [{"kind": "equal", "field": "Name", "from": "charge.status"}],
        },
    }
    deployment = a_deployed_flow(pair, [find, *UPSERT])
    event = an_event(pair.stripe)
    work_until_quiet(a_worker())
    calls = len(systems.calls)

    tried = try_out(ready(deployment.version.document), of_event(event), pair=pair, at=NOON)

    assert (tried.trial.ending, tried.trial.exits["find"]) == ("done", "found")
    assert len(systems.calls) == calls


def test_what_its_run_did_not_find_is_not_there_in_a_trial_either(pair, systems):
    systems.answers["find"] = lambda _request: {"records": []}
    ways = [
        {"kind": "external_id", "field": "External_ID__c", "from": "charge.customer"},
        {"kind": "equal", "field": "Name", "from": "charge.status"},
    ]
    find = {"id": "find", "kind": "salesforce.find", "settings": {"object": "Account", "by": ways}}
    read = {
        "id": "read",
        "kind": "stripe.retrieve",
        "settings": {"type": "customer", "id": "charge.customer"},
    }
    deployment = a_deployed_flow(pair, [read, find, *UPSERT])
    event = an_event(pair.stripe, a_charge(customer="cus_1"))
    work_until_quiet(a_worker())
    calls = len(systems.calls)

    tried = try_out(ready(deployment.version.document), of_event(event), pair=pair, at=NOON).trial

    assert (tried.exits["read"], tried.exits["find"], tried.ending) == ("none", "none", "done")
    assert len(systems.calls) == calls


def test_a_field_that_its_run_did_not_look_in_is_not_known(pair, systems):
    systems.answers["find"] = lambda _request: {"records": []}
    by_name = [{"kind": "equal", "field": "Name", "from": "charge.status"}]
    by_city = [{"kind": "equal", "field": "City__c", "from": "charge.status"}]
    find = {"id": "find", "kind": "salesforce.find", "settings": {"object": "Account", "by": by_name}}
    a_deployed_flow(pair, [find, *UPSERT])
    event = an_event(pair.stripe)
    work_until_quiet(a_worker())
    other = {**find, "settings": {"object": "Account", "by": by_city}}

    assert try_out(ready(a_document(find)), of_event(event), pair=pair, at=NOON).trial.ending == "done"
    assert try_out(ready(a_document(other)), of_event(event), pair=pair, at=NOON).trial.ending == "not_read"


def test_an_event_whose_content_is_gone_says_why(pair):
    event = an_event(pair.stripe)
    Event.objects.filter(pk=event.pk).update(body=b"")

    with pytest.raises(Unusable, match="deleted because of its age"):
        of_event(Event.objects.get(pk=event.pk))


def test_history_starts_nothing(pair):
    event = an_event(pair.stripe, received_at=NOON + timedelta(days=3))

    found = try_out(ready(a_document(*UPSERT, DUN)), of_event(event), pair=pair, at=NOON).trial

    assert "history" in found.calls[0].left_out


def test_a_record_is_set_against_what_was_last_written(pair):
    values = canonical.dumps({"Status__c": "pending", "Card_Brand__c": "visa"})
    Link.objects.create(
        pair=pair, stripe_id="pi_7", salesforce_object="Payment__c", external_id="pi_7",
        record_id="a00000000000001AAA",
        agreed=vault.seal(values, owner=f"link:{pair.pk}"), first_synced_at=NOON, synced_at=NOON,
    )  # fmt: skip
    found = trial(*UPSERT, body=pasted(payment_intent="pi_7", brand="visa"), pair=pair)

    (compared,) = current.compare(found.records, pair=pair, live=False)

    assert (compared.known, compared.changes) == ("agreed", 1)
    assert [(row.field, row.is_, row.state) for row in compared.rows] == [
        ("Status__c", "pending", "changed"),
        ("Card_Brand__c", "visa", "same"),
    ]


def test_a_record_is_set_against_what_is_read(pair, systems):
    systems.answers["find"] = lambda _request: {
        "records": [{"Status__c": "succeeded", "Card_Brand__c": None}]
    }
    found = trial(*UPSERT, body=pasted(brand=""), pair=pair)

    (compared,) = current.compare(found.records, pair=pair, live=True)

    assert (compared.known, compared.exists, compared.changes) == ("read", True, 0)
    assert systems.calls[0][0] == "find"
