"""This module tests that dead letters are mended as people approve, or by themselves, and never for money."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from flows import editing, group_retries, mending, orphans, remedies, saved_fixes
from flows.lanes import WorkerLease
from flows.mending import Approval
from flows.models import DeadLetter, Event, GroupRetry, Link, Mending, Notice, Pair, Run, SavedFix
from integrator import vault
from integrator.accounts.models import AuditEntry
from integrator.accounts.roles import Role
from integrator.kernel.errors import Refused
from tests.builders import an_environment
from tests.integration.api.conftest import Program
from tests.integration.flows.reading import Reader
from tests.integration.flows.too_long import (
    LENGTH,
    LONG,
    TOO_LONG,
    a_letter,
    approve,
    brands,
    org,
    pay,
    systems,
)
from tests.integration.flows.two_systems import (
    UPSERT,
    TwoSystems,
    a_deployed_flow,
    work_until_quiet,
)

__all__ = ["org", "systems"]

pytestmark = pytest.mark.django_db


def test_an_approved_cut_is_written_told_and_leaves_the_event_as_it_came(
    pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    letter = a_letter(pair, org, worker)
    before = bytes(letter.event.body)
    remedy = remedies.of(letter)

    approve(letter)
    work_until_quiet(worker)

    assert (letter.system, letter.http_status) == ("salesforce", 400)
    assert (remedy.ways, remedy.length, remedy.value) == (("cut",), LENGTH, LONG)
    assert brands(org) == [LONG[:LENGTH].rstrip()]
    run = Run.objects.get()
    assert (run.fate, run.mended) == ("applied", True)
    trace = vault.unseal(run.tries.latest("id").trace, owner=f"trace:{run.pk}").decode()
    assert "Cut to 40 characters, as otto approved" in trace
    assert bytes(Event.objects.get().body) == before
    entry = AuditEntry.objects.get(action="deadletter.mended")
    assert (entry.details["field"], entry.details["change"]) == ("Card_Brand__c", "cut to 40 characters")
    assert "Visa" not in json.dumps(entry.details)


def test_a_whole_cause_gets_the_change_after_one_has_shown_that_it_works(
    pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    for _ in range(3):
        letter = a_letter(pair, org, worker)

    going = mending.approve_cause(
        environment=an_environment(),
        fingerprint=letter.fingerprint,
        approval=Approval(),
        actor="otto",
        now=timezone.now(),
    )
    tried_first = Mending.objects.count()
    for _ in range(3):
        work_until_quiet(worker)
        now = timezone.now()
        GroupRetry.objects.update(next_at=now)
        group_retries.go_due(now=now)
    work_until_quiet(worker)

    going.refresh_from_db()
    assert (tried_first, going.state, len(brands(org))) == (1, "done", 3)
    assert set(Run.objects.values_list("fate", flat=True)) == {"applied"}


def test_the_page_tells_what_approving_for_all_means_before_it_begins(
    reader: Reader, pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    for _ in range(3):
        letter = a_letter(pair, org, worker)
    path = f"dead-letters/{letter.public_id}/"

    offered = reader.page(path)
    asked = reader.press(f"{path}approve/", way="cut", length="12", all="on", keep="on")
    told = " ".join(asked.content.decode().split())
    begun_too_soon = GroupRetry.objects.exists()
    refused = reader.press(f"{path}approve/", way="cut", length="4000", all="on")
    approved = reader.press(f"{path}approve/", way="cut", length="12", all="on", per_minute="10")

    assert f'value="on" hx-post="/w/acme/dev/{path}approve/" hx-target="#dialog">Approve for all 3' in offered
    assert (asked.status_code, begun_too_soon) == (200, False)
    assert "is <strong>cut to 12 characters</strong> in each of them" in told
    assert "The oldest of 3 is tried now, with this change" in told
    assert "What it costs in calls" in told
    for name, value in (("way", "cut"), ("length", "12"), ("all", "on"), ("keep", "on")):
        assert f'<input type="hidden" name="{name}" value="{value}">' in told
    assert refused.status_code == 409
    assert approved.status_code == 204
    going = GroupRetry.objects.get()
    assert (going.per_minute, going.total, going.state) == (10, 3, "first")


def test_a_saved_fix_mends_the_next_ones_by_itself_until_there_are_too_many(
    pair: Pair, org: TwoSystems, worker: WorkerLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SavedFix, "AT_MOST", 2)
    approve(a_letter(pair, org, worker), keep=True)
    for _ in range(3):
        pay(pair, org)

    work_until_quiet(worker)

    row = SavedFix.objects.get()
    assert (len(brands(org)), row.uses, row.paused_at is None) == (3, 2, False)
    assert DeadLetter.objects.unresolved().count() == 1
    assert "paused itself" in Notice.objects.get(kind="saved_fix").title
    assert DeadLetter.objects.filter(resolved_by=f"saved fix {row.public_id}").count() == 2
    saved_fixes.switch(row=row, on=True, actor="otto", now=timezone.now())
    pay(pair, org)
    work_until_quiet(worker)
    assert len(brands(org)) == 4
    # What it did in the last sixty minutes counts, whenever it was switched on.
    Mending.objects.update(created_at=timezone.now() - timedelta(minutes=59))
    SavedFix.objects.update(hour=timezone.now() - timedelta(hours=2))
    pay(pair, org)
    work_until_quiet(worker)
    assert len(brands(org)) == 4


def test_a_saved_fix_that_is_off_or_does_not_help_leaves_the_letter_to_a_person(
    pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    approve(a_letter(pair, org, worker), keep=True)
    work_until_quiet(worker)
    org.answers["upsert"] = lambda _request: TOO_LONG

    letter = a_letter(pair, org, worker)

    assert Mending.objects.filter(run=letter.run).count() == 1  # it was tried once
    saved_fixes.switch(row=SavedFix.objects.get(), on=False, actor="otto", now=timezone.now())
    assert not Mending.objects.filter(run=a_letter(pair, org, worker).run).exists()


PAID: dict[str, Any] = {
    "field": "Worth__c",
    "from": ["charge.amount"],
    "chips": [{"chip": "money", "currency": ["charge.currency"]}],
}
NOTE: list[dict[str, Any]] = [
    {
        "id": "note",
        "kind": "map",
        "settings": {
            "target": "Note__c",
            "lines": [
                {"field": "External_ID__c", "from": ["charge.id"], "empty": "fail"},
                {"field": "Card_Brand__c", "from": ["charge.brand"]},
            ],
        },
    },
    {
        "id": "keep",
        "kind": "salesforce.upsert",
        "settings": {"object": "Note__c", "external_id": "External_ID__c", "record": "note"},
    },
]


def test_a_saved_fix_leaves_the_field_of_the_same_name_in_another_record_alone(
    pair: Pair, systems: TwoSystems, worker: WorkerLease
) -> None:
    a_deployed_flow(pair, [*UPSERT, *NOTE])
    full = "Payment__c"

    def upsert(request: Mapping[str, Any]) -> Any:
        too_long = request["object"] == full and len(request["values"]["Card_Brand__c"]) > LENGTH
        return TOO_LONG if too_long else systems._upsert(request)

    systems.answers["upsert"] = upsert
    approve(a_letter(pair, systems, worker), keep=True)
    work_until_quiet(worker)
    full = "Note__c"
    letter = a_letter(pair, systems, worker)

    assert letter.step == "keep"
    assert Mending.objects.count() == 1
    payments = [record for key, record in systems.records.items() if key.startswith("Payment__c")]
    assert sorted(len(record["Card_Brand__c"]) for record in payments) == [LENGTH, len(LONG)]


def test_no_remedy_is_offered_for_what_is_an_amount_at_stripe_or_decides_the_way(
    pair: Pair, systems: TwoSystems, worker: WorkerLease
) -> None:
    describe, save = UPSERT
    lines = [*describe["settings"]["lines"], PAID]
    decide = {
        "id": "decide",
        "kind": "condition",
        "settings": {"all": [{"path": "steps.describe.Card_Brand__c", "is": "present"}]},
    }
    settings = {**describe["settings"], "lines": lines}
    a_deployed_flow(pair, [{**describe, "settings": settings}, decide, save])
    for field, said in (("Worth__c", "Amounts and currencies"), ("Card_Brand__c", "Other steps")):
        refused = Refused("Missing", code="REQUIRED_FIELD_MISSING", field=field)
        systems.answers["upsert"] = lambda _request, refused=refused: refused
        with pytest.raises(remedies.NoRemedy, match=said):
            approve(a_letter(pair, systems, worker), value="1")


@pytest.mark.parametrize("field", ["External_ID__c", "Amount__c", "Nobody__c"])
def test_no_remedy_is_offered_for_money_keys_and_what_nobody_maps(
    pair: Pair, org: TwoSystems, worker: WorkerLease, field: str
) -> None:
    org.answers["upsert"] = lambda _request: Refused("Too long", code="STRING_TOO_LONG", field=field)
    letter = a_letter(pair, org, worker)

    with pytest.raises(remedies.NoRemedy):
        approve(letter)
    assert DeadLetter.objects.unresolved().count() == 1


def test_an_operator_mends_on_the_page_of_the_letter(
    reader: Reader, pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    letter = a_letter(pair, org, worker)
    path = f"dead-letters/{letter.public_id}/"

    page = reader.page(path)
    refused = reader.press(
        f"{path}edit/", text=editing.editable(letter).text.replace("1999", "1"), retry="on"
    )
    shown = reader.press(f"{path}edit/", text=editing.editable(letter).text.replace(LONG, "Visa"), show="on")
    too_long = reader.press(f"{path}approve/", length="4000")
    approved = reader.press(f"{path}approve/", length="12", keep="on")
    work_until_quiet(worker)

    assert "Cut the text" in page
    assert (refused.status_code, too_long.status_code, approved.status_code) == (422, 422, 204)
    assert "an administrator alone" in refused.content.decode()
    assert "Visa and Vis" in " ".join(shown.content.decode().split())
    assert brands(org) == ["Visa and Vis"]
    run = reader.page(f"runs/{letter.run.public_id}/" if letter.run else "")
    assert "Changed by a person" in run
    listed = reader.page("dead-letters/fixes/")
    assert "cut to 12 characters" in listed
    fix = SavedFix.objects.get()
    reader.press(f"dead-letters/fixes/{fix.public_id}/switch/", enabled="false")
    assert SavedFix.objects.filter(enabled=False).exists()
    reader.press(f"dead-letters/fixes/{fix.public_id}/delete/")
    assert not SavedFix.objects.exists()


def test_a_program_mends_by_rest_as_far_as_its_role_goes(
    pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    letter = a_letter(pair, org, worker)
    workspace = pair.environment.workspace
    operator, viewer = Program(Role.OPERATOR, workspace), Program(Role.VIEWER, workspace)
    path = f"dead-letters/{letter.public_id}/"

    offered = operator.get(f"{path}remedy/").json()
    text = operator.get(f"{path}object/").json()["text"]
    turned_away = [
        viewer("POST", f"{path}approve/", {}).status_code,
        operator("POST", f"{path}edit/", {"text": text.replace("1999", "1")}).status_code,
        operator("POST", f"{path}approve/", {"way": "replace", "value": "x"}).status_code,
    ]
    mended = operator("POST", f"{path}approve/", {"length": 9, "keep": True})
    work_until_quiet(worker)
    again = operator("POST", f"{path}approve/", {})
    shown = operator.get(f"runs/{mended.json()['run']}/").json()
    (kept,) = operator.get("saved-fixes/").json()["results"]
    off = operator("PATCH", f"saved-fixes/{kept['id']}/", {"enabled": False}).json()

    assert (offered["ways"], offered["length"]) == (["cut"], LENGTH)
    assert turned_away == [403, 400, 400]
    assert (mended.status_code, again.status_code) == (200, 409)
    assert (mended.json()["system"], mended.json()["http_status"]) == ("salesforce", 400)
    assert brands(org) == ["Visa and"]
    assert (shown["mended"], shown["mendings"][0]["paths"]) == (True, ["Card_Brand__c"])
    assert (kept["does"], off["enabled"]) == ("cut to 9 characters", False)
    assert operator("DELETE", f"saved-fixes/{kept['id']}/").status_code == 204


def test_a_letter_is_tried_again_once_the_parent_that_it_lacked_has_come(
    pair: Pair, org: TwoSystems, worker: WorkerLease
) -> None:
    said = "Foreign key external ID: cus_1 not found for field External_ID__c in entity Stripe_Customer__c"
    org.answers["upsert"] = lambda _request: Refused(said, code="INVALID_FIELD", field="External_ID__c")
    letter = a_letter(pair, org, worker, brand="Visa")
    del org.answers["upsert"]
    now = timezone.now()

    too_early = orphans.retry_due(now=now)
    for object_, key in (("Account", "cus_1"), ("Stripe_Customer__c", "cus_1")):
        Link.objects.create(
            pair=pair,
            stripe_id=key,
            salesforce_object=object_,
            external_id=key,
            record_id="a00000000000001AAA",
            agreed=b"",
            first_synced_at=now,
            synced_at=now,
        )
    came = orphans.retry_due(now=now)
    work_until_quiet(worker)

    assert letter.waits_for == "Stripe_Customer__c:cus_1"
    assert (too_early, came, orphans.retry_due(now=now)) == (0, 1, 0)
    assert Run.objects.get().fate == "applied"
