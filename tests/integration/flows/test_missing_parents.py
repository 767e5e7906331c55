"""A parent that letters lack is fetched by the one flow that makes it: once, bounded, and told in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from connectors.models import Connection
from flows import deadletters, missing_parents, orphans, publishing, retention
from flows.lanes import WorkerLease
from flows.models import DeadLetter, Deployment, Event, FlowVersion, MissingParent, Pair, Run
from flows.routes import ROUTES
from integrator.accounts.roles import Role
from integrator.kernel.errors import Refused
from tests.builders import NOON, a_flow, a_workspace
from tests.integration.api.conftest import Program
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.reading import Reader
from tests.integration.flows.two_systems import TwoSystems, systems, work_until_quiet

__all__ = ["systems"]

pytestmark = pytest.mark.django_db

CUSTOMER, PRODUCT, PRICE, INVOICE = "Stripe_Customer__c", "Offer__c", "Tariff__c", "Bill__c"
LATER = timedelta(minutes=1)


def makes(
    pair: Pair,
    kind: str,
    object_: str,
    *,
    parent: tuple[str, str] | None = None,
    slug: str = "",
    types: Sequence[str] = (),
) -> Deployment:
    """Return a live flow that saves each Stripe object of `kind`, which refers to a parent by a path."""
    lines: list[dict[str, Any]] = [{"field": "External_ID__c", "from": [f"{kind}.id"], "empty": "fail"}]
    if parent is not None:
        relation, path = parent
        lines.append({"field": f"{relation.removesuffix('c')}r.External_ID__c", "from": [path]})
    steps = [
        {"id": "describe", "kind": "map", "settings": {"target": object_, "lines": lines}},
        {
            "id": "save",
            "kind": "salesforce.upsert",
            "settings": {"object": object_, "external_id": "External_ID__c", "record": "describe"},
        },
    ]
    usual = [f"{kind}.created", f"{kind}.updated"] if kind != "charge" else ["charge.succeeded"]
    flow = a_flow(pair.integration, slug=slug or f"{kind}s")
    document = {
        "format": 1,
        "name": flow.slug,
        "trigger": {"kind": "stripe.event", "types": list(types or usual)},
        "steps": steps,
    }
    publishing.publish(flow=flow, document=document, note="", actor="ada", now=NOON)
    version = FlowVersion.objects.filter(flow=flow).latest("number")
    return Deployment.objects.create(
        flow=flow, version=version, pair=pair, deployed_at=NOON, deployed_by="ada"
    )


@pytest.fixture
def org(systems: TwoSystems, pair: Pair) -> TwoSystems:
    """Return both systems; the org refuses whatever refers to a record that is not there."""
    Connection.objects.update(state=Connection.State.ACTIVE, paused_until=None)

    def upsert(request: Mapping[str, Any]) -> Any:
        for name, value in request["values"].items():
            if isinstance(value, Mapping):
                parent = f"{name.removesuffix('r')}c:{value['External_ID__c']}"
                if parent not in systems.records:
                    object_, _, key = parent.partition(":")
                    said = f"Foreign key external ID: {key} not found for field External_ID__c in "
                    said += f"entity {object_}"
                    return Refused(said, code="INVALID_FIELD", field="External_ID__c", http_status=400)
        return systems._upsert(request)

    systems.answers["upsert"] = upsert
    makes(pair, "charge", "Payment__c", parent=(CUSTOMER, "charge.customer"))
    return systems


def pay(pair: Pair, org: TwoSystems, customer: str, *, times: int = 1) -> None:
    """Let Stripe tell of charges of one customer."""
    for _ in range(times):
        charge = a_charge(customer=customer)
        org.objects[charge["id"]] = org.objects[charge["payment_intent"]] = charge
        an_event(pair.stripe, charge)


def there(org: TwoSystems, kind: str, id: str, **fields: Any) -> None:
    org.objects[id] = {"id": id, "object": kind, **fields}


def switch(live: Deployment, *, enabled: bool) -> None:
    publishing.switch(deployment=live, enabled=enabled, actor="ada", now=timezone.now())
    ROUTES.forget()  # as is heard once the switch is committed, which no test here does


def read(org: TwoSystems, id: str) -> int:
    return sum(request["id"] == id for request in org.made("retrieve"))


def settle(worker: WorkerLease, *, rounds: int = 6) -> int:
    """Work and watch by turns until nothing moves any more, and return how many parents were fetched."""
    fetched = 0
    for _ in range(rounds):
        work_until_quiet(worker)
        now = timezone.now() + LATER
        fetched += missing_parents.fetch_due(now=now)
        work_until_quiet(worker)
        orphans.retry_due(now=timezone.now())
    work_until_quiet(worker)
    return fetched


def said(letter: DeadLetter) -> str:
    standing = missing_parents.standing_of(DeadLetter.objects.select_related("run__pair").get(pk=letter.pk))
    assert standing is not None
    return standing.said


def test_hundreds_that_wait_for_one_parent_cost_one_run_and_one_read(
    pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    saves = makes(pair, "customer", CUSTOMER)
    other = makes(pair, "customer", "Person__c", slug="people")
    there(org, "customer", "cus_1")
    pay(pair, org, "cus_1", times=250)
    work_until_quiet(worker)
    waiting = DeadLetter.objects.unresolved().first()
    assert waiting is not None
    assert (waiting.waits_for, said(waiting)) == (
        f"{CUSTOMER}:cus_1",
        "Customers fetches it from Stripe within minutes.",
    )

    assert missing_parents.fetch_due(now=timezone.now()) == 0  # its own event may still come
    assert settle(worker) == 1

    run = Run.objects.get(flow=saves.flow)
    assert (run.fate, run.tries.count(), read(org, "cus_1")) == ("applied", 1, 1)
    assert not Run.objects.filter(flow=other.flow).exists()
    assert DeadLetter.objects.unresolved().count() == 0
    assert len([key for key in org.records if key.startswith("Payment__c:")]) == 250
    assert set(Run.objects.values_list("fate", flat=True)) == {"applied"}


def test_parents_of_parents_are_fetched_three_deep(pair: Pair, org: TwoSystems, worker: WorkerLease) -> None:
    makes(pair, "customer", CUSTOMER, parent=(PRODUCT, "customer.offer"))
    makes(pair, "product", PRODUCT, parent=(PRICE, "product.tariff"))
    makes(pair, "price", PRICE, parent=(INVOICE, "price.bill"))
    makes(pair, "invoice", INVOICE)
    there(org, "customer", "cus_1", offer="prod_1")
    there(org, "product", "prod_1", tariff="price_1")
    there(org, "price", "price_1", bill="in_1")
    there(org, "invoice", "in_1")
    pay(pair, org, "cus_1")

    assert settle(worker) == 3
    assert list(MissingParent.objects.order_by("depth").values_list("depth", flat=True)) == [1, 2, 3]
    deepest = DeadLetter.objects.unresolved().get(waits_for=f"{INVOICE}:in_1")
    assert said(deepest).startswith("Parents of parents are fetched 3 deep, and this one stands deeper.")

    org.records[f"{INVOICE}:in_1"] = {}  # as somebody saves it, who then retries
    deadletters.retry(letter=deepest, actor="otto", now=timezone.now())
    settle(worker)
    assert DeadLetter.objects.unresolved().count() == 0
    assert f"{CUSTOMER}:cus_1" in org.records


def test_a_circle_of_parents_comes_to_an_end(pair: Pair, org: TwoSystems, worker: WorkerLease) -> None:
    makes(pair, "customer", CUSTOMER, parent=(PRODUCT, "customer.offer"))
    makes(pair, "product", PRODUCT, parent=(CUSTOMER, "product.owner"))
    there(org, "customer", "cus_1", offer="prod_1")
    there(org, "product", "prod_1", owner="cus_1")
    pay(pair, org, "cus_1")

    assert settle(worker) == 2
    assert missing_parents.fetch_due(now=timezone.now() + timedelta(days=2)) == 0
    assert (read(org, "cus_1"), read(org, "prod_1")) == (1, 1)
    assert DeadLetter.objects.unresolved().count() == 3


def test_a_parent_that_stripe_has_no_more_is_asked_for_once_and_told(
    pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    makes(pair, "customer", CUSTOMER)
    pay(pair, org, "cus_1")

    assert settle(worker) == 1

    letter = DeadLetter.objects.unresolved().get(waits_for=f"{CUSTOMER}:cus_1")
    standing = missing_parents.standing_of(letter)
    assert standing is not None
    assert "could not save it. Mend its run" in standing.said
    assert standing.run is not None
    assert standing.run.dead_letters.get().message == "No such object"
    assert missing_parents.fetch_due(now=timezone.now() + timedelta(days=2)) == 0


def test_where_the_parents_flow_fails_the_child_waits_until_that_is_mended(
    pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    makes(pair, "customer", CUSTOMER)
    there(org, "customer", "cus_1")
    pay(pair, org, "cus_1")
    work_until_quiet(worker)
    usual = org.answers["upsert"]
    rule = Refused("No", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", http_status=400)
    org.answers["upsert"] = lambda one: rule if one["object"] == CUSTOMER else usual(one)

    assert settle(worker) == 1
    child = DeadLetter.objects.unresolved().exclude(waits_for="").get()
    assert "could not save it. Mend its run" in said(child)

    org.answers["upsert"] = usual
    failed = DeadLetter.objects.unresolved().get(waits_for="")
    deadletters.retry(letter=failed, actor="otto", now=timezone.now())
    settle(worker)
    assert DeadLetter.objects.unresolved().count() == 0


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("nobody", "No live flow makes records of Stripe_Customer__c from Stripe objects. Put a flow live"),
        ("switched off", "Customers would fetch it, but is switched off. Switch it on."),
        ("several", "Several live flows save such records (One, Two), and it is not known which is right."),
        ("strange id", "“4711” does not tell which Stripe object it is made of."),
    ],
)
def test_where_it_is_not_known_who_makes_the_parent_nothing_is_started_and_a_person_is_told(
    pair: Pair, org: TwoSystems, worker: WorkerLease, case: str, told: str
) -> None:
    if case == "several":
        makes(pair, "customer", CUSTOMER, slug="one")
        makes(pair, "customer", CUSTOMER, slug="two")
    elif case != "nobody":
        live = makes(pair, "customer" if case == "switched off" else "invoice", CUSTOMER)
        switch(live, enabled=case != "switched off")
    pay(pair, org, "4711" if case == "strange id" else "cus_1")

    assert settle(worker) == 0
    assert said(DeadLetter.objects.unresolved().get()).startswith(told)
    assert not Event.objects.filter(origin="sweep").exists()

    if case == "switched off":
        switch(live, enabled=True)
        there(org, "customer", "cus_1")
        assert settle(worker) == 1
        assert DeadLetter.objects.unresolved().count() == 0


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ("customer", ["customer.deleted"]),  # it would write of a customer that is there that it is gone
        ("customer", ["charge.refunded"]),  # it reads a customer, but no customer starts it
        ("invoice", ["invoice.paid"]),  # it would write of an open invoice that it is paid
    ],
)
def test_a_flow_that_only_some_state_of_an_object_starts_is_started_for_no_parent(
    pair: Pair, org: TwoSystems, worker: WorkerLease, kind: str, types: list[str]
) -> None:
    makes(pair, kind, CUSTOMER, types=types)
    id = {"customer": "cus_1", "invoice": "in_1"}[kind]
    there(org, kind, id, status="open")
    pay(pair, org, id)

    assert settle(worker) == 0
    assert f"{CUSTOMER}:{id}" not in org.records
    assert said(DeadLetter.objects.unresolved().get()).startswith("No live flow makes records of")

    makes(pair, kind, CUSTOMER, slug="all", types=[*types, f"{kind}.updated"])
    ROUTES.forget()  # as is heard once it is committed that the flow is live, which no test here does
    assert settle(worker) == 1
    assert f"{CUSTOMER}:{id}" in org.records


def test_many_that_cannot_be_fetched_keep_no_other_waiting(
    pair: Pair, org: TwoSystems, worker: WorkerLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing_parents, "_LOOKED_AT", 4)
    makes(pair, "invoice", CUSTOMER)
    for name in ("in_1", "4711", "4712", "4713"):
        there(org, "invoice", name)
        pay(pair, org, name)
        work_until_quiet(worker)
    now = timezone.now() + LATER

    assert sum(missing_parents.fetch_due(now=now) for _ in range(60)) == 1  # by chance, but for one in 10**12
    assert MissingParent.objects.get().external_id == "in_1"


def test_a_flow_that_is_switched_off_once_it_is_asked_loses_nothing(
    pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    live = makes(pair, "customer", CUSTOMER)
    there(org, "customer", "cus_1")
    pay(pair, org, "cus_1")
    work_until_quiet(worker)
    assert missing_parents.fetch_due(now=timezone.now() + LATER) == 1
    switch(live, enabled=False)

    settle(worker)

    letter = DeadLetter.objects.unresolved().get()
    assert said(letter) == "Customers would fetch it, but is switched off. Switch it on."
    switch(live, enabled=True)
    assert missing_parents.fetch_due(now=timezone.now() + 2 * LATER) == 1
    settle(worker)
    assert DeadLetter.objects.unresolved().count() == 0


def test_no_more_are_fetched_in_an_hour_than_a_bound_and_none_while_a_connection_rests(
    pair: Pair, org: TwoSystems, worker: WorkerLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(missing_parents, "MOST_AN_HOUR", 3)
    monkeypatch.setattr(missing_parents, "MOST_AT_ONCE", 2)
    makes(pair, "customer", CUSTOMER)
    for number in range(5):
        there(org, "customer", f"cus_{number}")
        pay(pair, org, f"cus_{number}")
    work_until_quiet(worker)
    now = timezone.now() + LATER

    pair.salesforce.rest(until=now + timedelta(days=1), reason="It was away.")
    assert missing_parents.fetch_due(now=now) == 0
    letter = DeadLetter.objects.unresolved().first()
    assert letter is not None
    assert said(letter) == "It is fetched once both connections are up again."
    pair.salesforce.resume()
    assert [missing_parents.fetch_due(now=now) for _ in range(3)] == [2, 1, 0]
    assert missing_parents.fetch_due(now=now + timedelta(hours=2)) == 2


def test_a_parent_that_vanished_again_is_fetched_once_more_after_an_hour(
    pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    makes(pair, "customer", CUSTOMER)
    there(org, "customer", "cus_1")
    pay(pair, org, "cus_1")
    assert settle(worker) == 1
    MissingParent.objects.update(asked_at=timezone.now())
    del org.records[f"{CUSTOMER}:cus_1"]
    pay(pair, org, "cus_1")
    work_until_quiet(worker)

    now = timezone.now()
    assert missing_parents.fetch_due(now=now + LATER) == 0
    assert missing_parents.fetch_due(now=now + 2 * missing_parents.AGAIN) == 1
    assert MissingParent.objects.get().times == 2


def test_page_cause_and_rest_tell_how_the_parent_stands(
    pair: Pair, org: TwoSystems, worker: WorkerLease, reader: Reader
) -> None:
    makes(pair, "customer", CUSTOMER)
    pay(pair, org, "cus_1")
    settle(worker)
    letter = DeadLetter.objects.unresolved().exclude(waits_for="").get()
    run = Run.objects.get(event__origin="sweep")

    for page in (f"dead-letters/{letter.public_id}/", f"dead-letters/causes/{letter.fingerprint}/"):
        text = reader.page(page)
        assert "could not save it. Mend its run" in text
        assert f"/runs/{run.public_id}/" in text
    assert "Made here, to fetch what a record refers to" in reader.page(f"events/{run.event_id}/")
    viewer = Program(Role.VIEWER, a_workspace())
    assert viewer("GET", f"dead-letters/{letter.public_id}/").json()["missing_parent"] == {
        "object": CUSTOMER,
        "external_id": "cus_1",
        "said": said(letter),
        "run": run.public_id,
    }
    assert viewer("GET", "dead-letters/").json()["results"][0].get("missing_parent", "left out") == "left out"

    DeadLetter.objects.filter(pk=letter.pk).update(waits_for=f"{CUSTOMER}:4242424242424242")  # as of a card
    assert "4242424242424242" not in reader.page(f"dead-letters/{letter.public_id}/")


def test_what_was_fetched_long_ago_is_forgotten(pair: Pair, org: TwoSystems) -> None:
    live, now = makes(pair, "customer", CUSTOMER), timezone.now()
    for name, days in (("cus_old", 91), ("cus_new", 89)):
        MissingParent.objects.create(
            pair=pair, flow=live.flow, object=CUSTOMER, external_id=name, asked_at=now - timedelta(days=days)
        )

    retention.purge_all(now=now, pause=0)

    assert MissingParent.objects.get().external_id == "cus_new"
