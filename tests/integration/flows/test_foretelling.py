"""Before somebody says which record it is, they see what the run would write over in each."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from flows.models import Attempt, Deployment, FlowVersion, Link, Pair, Review, Run
from integrator.accounts.models import AuditEntry
from integrator.kernel.errors import Transient
from tests.builders import a_person
from tests.integration.flows.asking import a_duplicate, a_question, a_refused_record
from tests.integration.flows.reading import Reader
from tests.integration.flows.two_systems import UPSERT, TwoSystems

pytestmark = pytest.mark.django_db(transaction=True)  # what is read is read by a thread of its own

FIRST, SECOND = "001000000000001AAA", "001000000000002AAA"
SECRET = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"
STEPS: list[dict[str, Any]] = [
    {"id": "find", "kind": "salesforce.recognise", "settings": {"object": "Account"}},
    {
        "id": "describe",
        "kind": "map",
        "settings": {
            "target": "Account",
            "lines": [
                {"field": "Stripe_Payment_Status__c", "from": ["charge.status"]},
                {"field": "Industry", "from": ["charge.object"]},
            ],
        },
    },
    {
        "id": "tell",
        "kind": "salesforce.update",
        "settings": {"object": "Account", "record": "describe", "id": ["steps.find.id"]},
    },
]
IN_SALESFORCE = {
    FIRST: {"Name": "Höfer", "Stripe_Payment_Status__c": SECRET, "Industry": None},
    SECOND: {"Name": "Logistik", "Stripe_Payment_Status__c": "succeeded", "Industry": "charge"},
}


@pytest.fixture
def review(pair: Pair, live: Deployment, systems: TwoSystems) -> Review:
    """Return the question of a run that goes on by changing the account which is the answer."""
    document = {**live.version.document, "steps": STEPS}
    FlowVersion.objects.filter(pk=live.version_id).update(document=document)
    systems.answers["find"] = lambda request: {
        "records": [{"Id": id, **IN_SALESFORCE[id]} for id in request["values"] if id in IN_SALESFORCE]
    }
    return a_question(pair, a_duplicate())


def test_each_record_shows_what_stands_there_and_what_would(
    reader: Reader, review: Review, systems: TwoSystems
) -> None:
    shown = reader.press(f"questions/{review.public_id}/foretell/").content.decode()

    first, second = shown.split("<section")[1:]
    assert '<dt class="anywhere">Stripe_Payment_Status__c</dt>' in first
    assert "<ins>succeeded</ins>" in first
    assert '<span class="muted">empty</span>' in first.split("Industry")[1]
    assert "sk_live_4eC39" not in shown  # what looks like a key is masked, wherever it stands
    assert "Nothing of it would change." in second


def test_nothing_is_written_or_answered_by_looking(
    reader: Reader, review: Review, systems: TwoSystems
) -> None:
    before = (Run.objects.get().state, Attempt.objects.count(), Link.objects.count())

    reader.press(f"questions/{review.public_id}/foretell/")

    assert {action for action, _ in systems.calls} == {"find"}
    assert (Run.objects.get().state, Attempt.objects.count(), Link.objects.count()) == before
    assert Review.objects.open().count() == 1
    told = AuditEntry.objects.get(action="flow.trial_read")
    assert (told.actor, told.details["question"]) == ("otto@acme.test", review.public_id)


def test_opening_the_page_asks_nobody(reader: Reader, review: Review, systems: TwoSystems) -> None:
    shown = reader.page(f"questions/{review.public_id}/")

    assert "What would be written?" in shown
    assert systems.calls == []


def test_without_a_script_the_page_comes_back_with_it(reader: Reader, review: Review) -> None:
    answer = reader.client.post(f"/w/acme/dev/questions/{review.public_id}/foretell/")

    assert "<ins>succeeded</ins>" in answer.content.decode()
    assert 'data-focus="1"' in answer.content.decode()


@pytest.mark.parametrize("role", ["viewer", "auditor", "finance", "approver"])
def test_who_may_see_no_content_is_not_told(client: Client, review: Review, role: str) -> None:
    reader = Reader(client, a_person("vera@acme.test", role))

    assert "What would be written?" not in reader.page(f"questions/{review.public_id}/")
    assert reader.press(f"questions/{review.public_id}/foretell/").status_code == 403


def test_an_event_whose_content_is_gone_says_so(reader: Reader, review: Review) -> None:
    type(review.run.event).objects.update(body=b"")

    assert "It cannot be told" in reader.press(f"questions/{review.public_id}/foretell/").content.decode()


def test_a_system_that_does_not_answer_is_said_and_the_rest_is_told(
    reader: Reader, review: Review, systems: TwoSystems
) -> None:
    systems.answers["find"] = lambda _: Transient("The org does not answer")

    shown = reader.press(f"questions/{review.public_id}/foretell/").content.decode()

    assert shown.count("It would not get further") == 2


def test_a_question_that_is_answered_foretells_nothing(reader: Reader, review: Review) -> None:
    reader.press(f"questions/{review.public_id}/answer/", value=FIRST)

    assert reader.press(f"questions/{review.public_id}/foretell/").status_code == 409


@pytest.mark.parametrize(
    ("step", "overwrites"),
    [
        pytest.param(UPSERT[1], True, id="saving changes the record"),
        pytest.param({"id": "save", "kind": "stop", "settings": {"reason": ""}}, False, id="others leave it"),
    ],
)
def test_a_refused_record_says_at_once_what_would_change_of_each(
    reader: Reader, pair: Pair, live: Deployment, step: dict[str, Any], overwrites: bool
) -> None:
    document = {**live.version.document, "steps": [{**step, "id": "find"}]}
    FlowVersion.objects.filter(pk=live.version_id).update(document=document)

    shown = reader.page(f"questions/{a_question(pair, a_refused_record()).public_id}/")

    assert ("<del>555-1</del>" in shown) is overwrites
    assert ("<ins>555-2</ins>" in shown) is overwrites
    assert shown.count("If it is this one") == overwrites  # the other record cannot be chosen


def test_programs_are_told_the_same(reader: Reader, review: Review) -> None:
    told = reader.client.post(f"/api/v1/reviews/{review.public_id}/foretell/").json()

    assert [(one["answer"], one["ending"]) for one in told] == [(FIRST, "done"), (SECOND, "done")]
    (record,) = told[0]["records"]
    assert (record["object"], record["key"], record["is_chosen"]) == ("Account", FIRST, True)
    assert {one["field"]: one["would"] for one in record["changes"]} == {
        "Stripe_Payment_Status__c": "succeeded", "Industry": "charge",
    }  # fmt: skip
    assert told[1]["records"][0]["changes"] == []
    reader.press(f"questions/{review.public_id}/answer/", value=FIRST)
    assert reader.client.post(f"/api/v1/reviews/{review.public_id}/foretell/").status_code == 409
