"""The page on which a flow is tried: what can be chosen, what came of it, test cases, and comparing."""

from __future__ import annotations

import json

import pytest
from django.template.loader import render_to_string
from django.test import Client

from flows.models import Draft, Pair, TestCase
from flows.publishing import deploy, publish
from flows.trials.results import Difference
from tests.builders import NOON, a_flow, a_person, an_environment
from tests.integration.flows.given import a_charge, an_event
from tests.integration.flows.reading import HTMX, Reader
from tests.integration.flows.two_systems import DUN, UPSERT

pytestmark = pytest.mark.django_db

ASK = {
    "id": "ask", "kind": "ask",
    "settings": {
        "question": "Is {charge.status} <b>right</b>?",
        "options": [{"exit": "yes", "label": "Yes"}, {"exit": "no", "label": "No"}],
    },
}  # fmt: skip


def a_document(*steps, name="Payments"):
    trigger = {"kind": "stripe.event", "types": ["charge.succeeded"]}
    return {"format": 1, "name": name, "trigger": trigger, "steps": list(steps)}


def pasted(**charge):
    return json.dumps(
        {"type": "charge.succeeded", "created": int(NOON.timestamp()), "data": {"object": a_charge(**charge)}}
    )


@pytest.fixture
def flow(pair: Pair):
    made = a_flow(pair.integration)
    version = publish(flow=made, document=a_document(*UPSERT, DUN), actor="ada", now=NOON)
    deploy(version=version, pair=pair, actor="ada", now=NOON)
    return made


@pytest.fixture
def designer(client: Client, pair: Pair) -> Reader:
    return Reader(client, a_person("ada@acme.test", "designer"))


def press(reader: Reader, flow, path: str = "", **form: str):
    return reader.press(f"flows/{flow.public_id}/try/{path}", **form)


def text(answer) -> str:
    return " ".join(answer.content.decode().split())


def test_recent_events_samples_and_pasting_are_offered(designer, flow, pair):
    event = an_event(pair.stripe, a_charge(id="ch_recent"))
    an_event(pair.stripe, type="charge.refunded", found=a_charge(id="ch_of_another_type"))

    page = designer.page(f"flows/{flow.public_id}/try/")

    assert f'value="event:{event.pk}" checked' in page
    assert "ch_recent" in page
    assert "ch_of_another_type" not in page
    assert 'value="sample:payments.charge_succeeded"' in page
    assert 'value="pasted"' in page


def test_trying_shows_the_record_the_effect_and_the_steps(designer, flow):
    answer = press(designer, flow, on="pasted", body=pasted(payment_intent="pi_7", brand="visa"))

    page = text(answer)
    assert answer.status_code == 200
    assert "<html" not in page
    assert "Went to the end" in page
    assert "Payment__c" in page
    assert "pi_7" in page
    assert "visa" in page
    assert "Start the Flow Stripe_Dunning" in page
    assert "Save a record" in page


def test_without_scripts_the_whole_page_answers(designer, flow):
    answer = designer.client.post(
        f"/w/acme/dev/flows/{flow.public_id}/try/", {"on": "pasted", "body": pasted()}
    )

    assert "<html" in text(answer)
    assert "Went to the end" in text(answer)


def test_without_scripts_test_cases_and_comparisons_answer_as_whole_pages(designer, flow, pair):
    an_event(pair.stripe)
    press(designer, flow, "save/", name="A card", on="pasted", body=pasted())
    address = f"/w/acme/dev/flows/{flow.public_id}/try/"

    ran = text(designer.client.post(f"{address}cases/", {"source": "1"}))
    compared = text(designer.client.post(f"{address}shadow/", {"source": "1", "events": "20"}))

    assert "<html" in ran
    assert "All 1 test case passed" in ran
    assert "<html" in compared
    assert "1 of 1 events compared" in compared


def test_a_recorded_event_and_a_sample_are_tried(designer, flow, pair):
    event = an_event(pair.stripe, a_charge(payment_intent="pi_recorded"))

    assert "pi_recorded" in text(press(designer, flow, on=f"event:{event.pk}"))
    assert "Went to the end" in text(press(designer, flow, on="sample:payments.charge_succeeded"))


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"on": "event:0"},
        {"on": "event:x"},
        {"on": "event:" + "9" * 30},
        {"on": "sample:../../etc/passwd"},
        {"on": "pasted"},
        {"on": "pasted", "body": "{"},
        {"on": "pasted", "body": "\x00"},
        {"on": "pasted", "body": "x" * 300_000},
        {"on": "pasted", "body": pasted(), "source": "99"},
        {"on": "pasted", "body": pasted(), "source": "draft"},
        {"on": "pasted", "body": pasted(), "live": "on", "source": "x" * 500},
    ],
    ids=lambda form: repr(form)[:50],
)
def test_what_cannot_be_tried_says_why(designer, flow, form):
    answer = press(designer, flow, **form)

    assert answer.status_code == 422
    assert 'role="alert"' in text(answer)


def test_hostile_texts_are_shown_as_text(designer, flow):
    hostile = "<script>alert(1)</script>"
    page = text(press(designer, flow, on="pasted", body=pasted(payment_intent=hostile, brand=hostile)))

    assert hostile not in page
    assert "&lt;script&gt;" in page


def test_a_question_offers_its_answers_and_one_goes_on(designer, flow):
    publish(flow=flow, document=a_document(ASK, *UPSERT), actor="ada", now=NOON)
    form = {"on": "pasted", "body": pasted()}

    asked = text(press(designer, flow, **form))
    answered = text(press(designer, flow, **form, **{"answer.ask": "yes"}))

    assert "Is succeeded &lt;b&gt;right&lt;/b&gt;?" in asked
    assert 'name="answer.ask" value="yes"' in asked
    assert "Went to the end" in answered


def test_the_draft_can_be_tried_and_says_what_it_lacks(designer, flow):
    draft = Draft.objects.create(flow=flow, document=a_document(*UPSERT), changed_by="ada", changed_at=NOON)
    good = text(press(designer, flow, source="draft", on="pasted", body=pasted()))
    draft.document = a_document({"id": "map", "kind": "map", "settings": {}})
    draft.save()

    bad = designer.page(f"flows/{flow.public_id}/try/", version="draft")

    assert "Went to the end" in good
    assert "Save a record" in good
    assert "It is not finished" in bad
    assert "Map: Salesforce object: This is required" in bad


def test_a_trial_is_saved_run_and_deleted(designer, flow):
    form = {"on": "pasted", "body": pasted(payment_intent="pi_7", brand="visa")}

    assert press(designer, flow, "save/", name="A card", **form).status_code == 204
    passed = text(press(designer, flow, "cases/"))
    changed = a_document(
        {**UPSERT[0], "settings": {**UPSERT[0]["settings"], "lines": UPSERT[0]["settings"]["lines"][:2]}},
        UPSERT[1],
    )
    publish(flow=flow, document=changed, actor="ada", now=NOON)
    failed = text(press(designer, flow, "cases/"))

    assert "All 1 test case passed" in passed
    assert "1 of 1 test case failed" in failed
    assert "Card_Brand__c" in failed
    case = TestCase.objects.get()
    assert "A card" in designer.page(f"flows/{flow.public_id}/try/")
    assert press(designer, flow, f"cases/{case.public_id}/delete/").status_code == 204
    assert not TestCase.objects.exists()


def test_what_is_published_is_compared_with_what_is_live(designer, flow, pair):
    event = an_event(pair.stripe)
    changed = a_document(
        {**UPSERT[0], "settings": {**UPSERT[0]["settings"], "lines": UPSERT[0]["settings"]["lines"][:1]}},
        UPSERT[1],
        DUN,
    )
    publish(flow=flow, document=changed, actor="ada", now=NOON)

    page = text(press(designer, flow, "shadow/", source="2", events="20", place="dev"))

    assert "1 of 1 events compared: 0 alike, 1 different" in page
    assert "Payment__c · Status__c" in page
    assert event.external_id in page
    assert "No difference" in text(press(designer, flow, "shadow/", source="1", events="20"))


def test_events_of_an_environment_that_the_reader_may_not_see_are_not_compared(client, flow, pair):
    ada = a_person("ada@acme.test", None)
    ada.memberships.create(
        workspace=pair.environment.workspace, environment=pair.environment, role="designer"
    )
    page = Reader(client, ada).page(f"flows/{flow.public_id}/try/")

    assert '<option value="dev" selected>' in page
    assert '<option value="production"' not in page


def test_a_token_of_another_comparison_is_refused(designer, flow, pair):
    an_event(pair.stripe)

    assert press(designer, flow, "shadow/", next="forged").status_code == 422


def test_who_may_not_see_events_may_not_try(client, flow):
    client.force_login(a_person("vera@acme.test", "viewer"))

    assert client.get(f"/w/acme/dev/flows/{flow.public_id}/try/").status_code == 403
    assert client.post(f"/w/acme/dev/flows/{flow.public_id}/try/cases/", headers=HTMX).status_code == 403


def test_an_operator_tries_but_keeps_nothing(reader, flow):
    assert "Went to the end" in text(press(reader, flow, on="pasted", body=pasted()))
    assert "Save as a test case" not in text(press(reader, flow, on="pasted", body=pasted()))
    assert press(reader, flow, "save/", name="x", on="pasted", body=pasted()).status_code == 403


def test_a_case_of_an_environment_that_the_reader_may_not_see_is_not_there(client, designer, flow, pair):
    form = {"on": "pasted", "body": pasted(payment_intent="pi_secret", brand="visa")}
    press(designer, flow, "save/", name="From production", **form)
    case = TestCase.objects.get()
    TestCase.objects.update(environment=an_environment("production"))
    otto = a_person("otto@acme.test", None)
    otto.memberships.create(
        workspace=pair.environment.workspace, environment=pair.environment, role="designer"
    )
    publish(flow=flow, document=a_document(DUN), actor="ada", now=NOON)
    mine = text(press(designer, flow, "cases/"))

    theirs = Reader(client, otto)
    shown = theirs.page(f"flows/{flow.public_id}/try/") + text(press(theirs, flow, "cases/"))

    assert "pi_secret" in mine
    assert "From production" not in shown
    assert "pi_secret" not in shown
    assert press(theirs, flow, f"cases/{case.public_id}/delete/").status_code == 404


def test_a_difference_is_written_as_both_systems_write_it():
    found = [Difference("Stripe_Customer__c cus_1", "Deleted__c", before=False, after=True)]

    page = render_to_string("flows/_try_differences.html", {"differences": found})

    assert '<span class="anywhere">false</span>' in page
    assert '<span class="anywhere">true</span>' in page
