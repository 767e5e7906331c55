"""This module loses the answers to writes that Salesforce has done, for every way of writing something."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import requests

from tests.chaos.load import Load, a_charge_event, post
from tests.stage import Stage, until

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(300)]
SINGLE = r"/data/v[\d.]+/sobjects/"
TIMES = 2
# A flow of the test's own: a task for people, once for each charge that is refunded.
TASKS = {
    "format": 1,
    "name": "Tasks",
    "trigger": {"kind": "stripe.event", "slot": "stripe", "types": ["charge.refunded"]},
    "steps": [
        {
            "id": "describe",
            "kind": "map",
            "settings": {"target": "Task", "lines": [{"field": "Subject", "from": "charge.id"}]},
        },
        {
            "id": "create",
            "kind": "salesforce.create",
            "settings": {"object": "Task", "record": "describe", "purpose": "Look at the refund"},
        },
    ],
}


class Way(NamedTuple):
    """A way of writing: which calls it makes, how one is caused, and how often it has happened."""

    calls: str
    cause: Callable[[Stage, str], None]
    happened: Callable[[Stage, str], int]


def deliver(stage: Stage, charge: str, status: str, *, type_: str = "", **metadata: str) -> None:
    event = a_charge_event(1, charge, int(time.time()), 1999, status, **metadata)
    event |= {"id": f"evt_{charge}"} | ({"type": type_} if type_ else {})
    body = json.dumps(event).encode()
    # As Stripe does: a busy machine may turn an event away, and one that was taken is known by its id.
    until(lambda: post(stage, body) == requests.codes.ok, seconds=60, what="the event is taken")


def a_payment(stage: Stage, charge: str) -> None:
    deliver(stage, charge, "succeeded")


def many_payments(stage: Stage, charge: str) -> None:
    load = Load(charges=40, events=40, seed=1, prefix=charge, each_its_own=True)
    load.deliver(stage, rate=1_000)


def a_decline(stage: Stage, charge: str) -> None:
    deliver(stage, charge, "failed")


def a_payment_of_an_account(stage: Stage, charge: str) -> None:
    token = stage.turn("salesforce", "sessions", username="somebody@acme.example", admin=True)["access_token"]
    account = requests.post(
        f"{stage.salesforce}/services/data/v67.0/sobjects/Account",
        json={"Name": charge},
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    ).json()["id"]
    deliver(stage, charge, "succeeded", salesforce_account_id=account)


def a_refund(stage: Stage, charge: str) -> None:
    if all(flow["name"] != TASKS["name"] for flow in stage.whole("flows/")):
        flow = stage.tell("POST", "flows/", integration="stripe-salesforce", document=TASKS)
        stage.tell("POST", "deployments/", flow=flow["flow"], version=flow["number"], environment="dev")
    deliver(stage, charge, "succeeded", type_="charge.refunded")


def named(stage: Stage, object_: str, field: str, name: str) -> list[dict[str, Any]]:
    return [record for record in stage.records(object_) if str(record[field]).startswith(name)]


def payments(stage: Stage, charge: str) -> int:
    return len(named(stage, "Payment__c", "External_ID__c", charge))


def dunnings(stage: Stage, charge: str) -> int:
    runs = stage.look("salesforce", "flows", flow="Stripe_Dunning")["runs"]
    return sum(charge in run["inputs"]["Payload"] for run in runs)


def paid_accounts(stage: Stage, charge: str) -> int:
    accounts = named(stage, "Account", "Name", charge)
    return sum(account["Stripe_Payment_Status__c"] == "Completed" for account in accounts)


def tasks(stage: Stage, charge: str) -> int:
    return len(named(stage, "Task", "Subject", charge))


WAYS = {
    "a collection": Way(r"/composite/sobjects/Payment__c", many_payments, payments),
    "one record": Way(SINGLE + "Payment__c", a_payment, payments),
    "an update": Way(SINGLE + "Account", a_payment_of_an_account, paid_accounts),
    "the start of a Flow": Way(SINGLE + "Integration_Effect__c", a_decline, dunnings),
    "a task": Way(SINGLE + "Task", a_refund, tasks),
}


CASES = [(name, kind) for name in WAYS for kind in ("after", "partial")]
CASES.remove(("an update", "partial"))  # it is answered without a body that could be cut


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_what_was_done_and_not_answered_is_done_once(well_behaved: Stage, name: str, kind: str):
    stage, way = well_behaved, WAYS[name]
    charge = f"ch_{name.replace(' ', '_')}_{kind}"
    stage.fault("salesforce", kind=kind, match_method="PATCH", match_path=way.calls, times=TIMES)

    way.cause(stage, charge)
    until(stage.settled, seconds=120, what="everything came to rest")

    (fault,) = stage.faults("salesforce")
    assert fault["fired"] == TIMES
    assert fault["seen"] > TIMES  # it was tried again until somebody answered
    assert way.happened(stage, charge) == (40 if name == "a collection" else 1)
    assert stage.api("dead-letters/")["results"] == []
    assert stage.fates()["waiting"] == 0
