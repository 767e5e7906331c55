"""The canvas over HTTP: what its requests change, and what is answered to those that do not fit."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from flows import designer
from flows.models import Draft, Flow, FlowVersion
from flows.views import cards
from integrator.accounts.models import User
from tests.builders import a_person
from tests.integration.flows.drafting import change, order, titled

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>\"' onfocus=alert(1)"


@pytest.fixture
def ada() -> User:
    return a_person("ada@acme.test", "designer")


@pytest.fixture
def designing(client: Client, ada: User) -> Client:
    """Return a browser of a designer."""
    client.force_login(ada)
    return client


@pytest.fixture
def at(flow: Flow) -> str:
    """Return the address of the flow's canvas."""
    return f"/w/acme/dev/flows/{flow.public_id}/design/"


def post(client: Client, address: str, **given: Any) -> Any:
    return client.post(address, {"@revision": str(Draft.objects.get().revision), "@key": uuid4().hex} | given)


def told(answer: Any) -> str:
    """Return why something was not done."""
    found = re.search(r'data-message="([^"]*)"', answer.content.decode())
    return found[1] if found else ""


def test_the_page_shows_each_step_with_its_ways(designing, at):
    page = designing.get(at).content.decode()

    assert [step in page for step in ("card-map_payment", "card-save", "card-large", "card-stop")] == [
        True
    ] * 4
    assert 'aria-label="Large?: yes"' in page
    assert 'aria-label="Large?: no"' in page
    assert "2 fields of Payment__c" in page


def test_what_is_selected_has_its_form(designing, at):
    page = designing.get(at, {"step": "save"}).content.decode()

    assert 'name="external_id" value="External_ID__c"' in page
    assert re.search(r'<option value="map_payment" selected>\s*Describe', page)


def test_edits_are_made_and_the_parts_come_back(designing, at):
    designing.get(at)
    body = {"revision": 1, "key": "k", "edits": [{"edit": "add_step", "kind": "stop"}]}

    answers = [designing.post(f"{at}edits/", body, content_type="application/json") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert 'data-focus="stop_2"' in answers[0].content.decode()
    assert 'id="panel-form-stop_2"' in answers[0].content.decode()
    assert order(Draft.objects.get())[-1] == "stop_2"


def test_a_form_changes_only_what_it_sent(designing, at, draft):
    answer = post(designing, f"{at}save/settings/", object="Account", **{"@title": "Keep it"})

    step = Draft.objects.get().document["steps"][1]
    assert answer.status_code == 200
    assert (step["title"], step["settings"]) == (
        "Keep it",
        {"object": "Account", "external_id": "External_ID__c", "record": "map_payment"},
    )
    assert post(designing, f"{at}save/settings/", object="Account").status_code == 200
    assert Draft.objects.get().revision == 2


def test_a_setting_may_be_called_like_what_is_sent_with_every_form(designing, at, draft):
    change(draft, {"edit": "add_step", "kind": "stripe.find"})

    post(designing, f"{at}find/settings/", object="customer", by="metadata", key="crm_id")
    post(designing, f"{at}find/settings/", several="first")

    [step] = [step for step in Draft.objects.get().document["steps"] if step["id"] == "find"]
    assert step["settings"]["key"] == "crm_id"


def test_the_form_of_the_trigger_names_the_flow_and_its_events(designing, at, draft):
    form = designing.get(at, {"step": "@trigger"}).content.decode()
    post(designing, f"{at}@trigger/settings/", **{"@name": "Money in", "types.1": "charge.failed"})

    document = Draft.objects.get().document
    assert (document["name"], document["trigger"]["types"]) == (
        "Money in",
        ["charge.succeeded", "charge.failed"],
    )
    assert form.count("Add an event") == 1


def test_two_people_at_one_form_are_kept_apart(designing, at, draft):
    change(draft, {"edit": "set_settings", "step": "stop", "settings": {"reason": "Otto's"}}, actor="otto")

    answer = post(designing, f"{at}stop/settings/", reason="Ada's", **{"@revision": "1"})

    assert answer.status_code == 409
    assert "otto changed this meanwhile" in told(answer)
    assert 'data-revision="2"' in answer.content.decode()
    assert Draft.objects.get().document["steps"][2]["exits"]["yes"][0]["settings"]["reason"] == "Otto's"


def test_news_are_told_once_with_their_author(designing, at, draft):
    assert designing.get(f"{at}parts/", {"seen": "1"}).status_code == 204

    change(draft, titled("stop", "No more"), actor="otto")

    answer = designing.get(f"{at}parts/", {"seen": "1"}).content.decode()
    assert "otto: Renamed “Stop” to “No more”" in answer


def test_a_draft_goes_back_once_though_the_answer_was_lost(designing, at, draft):
    change(draft, titled("stop", "No more"))

    answers = [post(designing, f"{at}discard/", **{"@revision": "2", "@key": "k"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert Draft.objects.get().revision == 3


def test_changes_are_taken_back_and_made_again(designing, at, draft):
    post(designing, f"{at}stop/settings/", **{"@title": "No more"})

    for way, title in (("undo", "Stop"), ("redo", "No more")):
        assert f"<strong>{title}</strong>" in post(designing, f"{at}turn/{way}/").content.decode()
    assert post(designing, f"{at}turn/redo/").status_code == 409


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"edits": 1}', b'{"revision": "x", "edits": []}', b"[" * 50_000, b"\xff",
     json.dumps({"revision": 1, "edits": [{"edit": "insert"}]}).encode(),
     b'{"revision": 1e999, "edits": [{"edit": "add_step", "kind": "stop"}]}'],
    ids=range(10),
)  # fmt: skip
def test_what_cannot_be_read_changes_nothing(designing, at, draft, body):
    answer = designing.post(f"{at}edits/", body, content_type="application/json")

    assert answer.status_code == 400
    assert told(answer)
    assert Draft.objects.get().revision == 1


@pytest.mark.usefixtures("draft")
@pytest.mark.parametrize(
    ("step", "given", "status"),
    [
        pytest.param("nowhere", {"reason": "x"}, 409, id="no such step"),
        pytest.param("stop", {"reason": "\x00"}, 422, id="a null"),
        pytest.param("stop", {"reason": "x" * 600_000}, 422, id="too much"),
        pytest.param("odd", {"parents": "[{"}, 422, id="no JSON"),
        pytest.param("odd", {"parents": "[" * 3000 + "]" * 3000}, 422, id="deep JSON"),
        pytest.param("stop", {"reason": "x", "@revision": "-1"}, 409, id="no revision"),
        pytest.param("large", {"@act": "add:__class__.x"}, 200, id="a place that is not there"),
        pytest.param("large", {"@act": "remove:all.99"}, 200, id="an element that is not there"),
    ],
)
def test_forms_that_do_not_fit(designing, at, step, given, status):
    if step == "odd":  # what has no form is shown as JSON
        step = "save"
        change(Draft.objects.get(), {"edit": "set_settings", "step": step, "settings": {"parents": 5}})

    assert post(designing, f"{at}{step}/settings/", **given).status_code == status


def test_hostile_texts_stay_texts(designing, at, draft):
    post(designing, f"{at}stop/settings/", reason=HOSTILE, **{"@title": HOSTILE})
    post(designing, f"{at}@trigger/settings/", **{"@name": HOSTILE, "types": HOSTILE})

    page = designing.get(at, {"step": "stop"}).content.decode()

    assert "<script>alert(1)" not in page
    assert '" onfocus=alert(1)' not in page
    assert "&lt;script&gt;alert(1)" in page


def test_settings_of_any_shape_are_drawn(designing, at, draft):
    odd: list[Any] = [None, 1, "x", [], [1], {"a": 1}, [{"a": [1]}], True]
    for value in odd:
        for step, names in {
            "save": ("object", "parents", "counts_as_money", "record"),
            "large": ("all", "any"),
            "map_payment": ("lines", "target"),
            "stop": ("fate", "reason"),
        }.items():
            settings = dict.fromkeys(names, value)
            change(draft, {"edit": "set_settings", "step": step, "settings": settings})
            assert designing.get(at, {"step": step}).status_code == 200, (step, value)
    assert designer.problems(Draft.objects.get())


def test_a_version_is_published_with_a_note(designing, at, draft):
    change(draft, {"edit": "remove_step", "step": "large"})

    refused = post(designing, f"{at}publish/", note=" ")
    unfit = post(designing, f"{at}publish/", note="a\x00b")
    answer = post(designing, f"{at}publish/", note="No limit")

    assert (refused.status_code, unfit.status_code) == (409, 409)
    assert answer["HX-Redirect"].endswith("/?version=2")
    assert FlowVersion.objects.get(number=2).note == "No limit"


def test_problems_stop_publishing(designing, at, draft):
    change(draft, {"edit": "set_settings", "step": "stop", "settings": {}})

    refused = post(designing, f"{at}publish/", note="x")

    assert refused.status_code == 422
    assert "“stop”, reason: " in str(refused.content.decode() + str(refused.headers))
    assert "to solve before it can be published" in designing.get(at).content.decode()
    assert FlowVersion.objects.count() == 1


def test_a_new_flow_is_made_from_the_list(designing, flow):
    assert "New flow" in designing.get("/w/acme/dev/flows/").content.decode()

    made = designing.post("/w/acme/dev/flows/new/", {"integration": "billing", "name": "Refunds"})
    again = designing.post("/w/acme/dev/flows/new/", {"integration": "billing", "name": "Refunds"})

    assert made.status_code == 302
    begun = designing.get(made["Location"]).content.decode()
    assert "Add the first step" in begun
    assert "<span>Choose the events that start the flow</span>" in begun
    assert again.status_code == 409
    assert designing.get("/w/acme/dev/flows/new/")["Location"] == "/w/acme/dev/flows/"


def test_the_flow_leads_to_its_canvas_whoever_may_change_it(designing, client, flow, at, otto):
    page = f"/w/acme/dev/flows/{flow.public_id}/"
    assert at in designing.get(page).content.decode()

    client.force_login(otto)

    assert at not in client.get(page).content.decode()
    assert client.get(at).status_code == 403


def test_a_draft_with_problems_is_not_asked_about_in_the_org(designing, at, draft):
    change(draft, {"edit": "set_settings", "step": "stop", "settings": {}})

    assert "once the problems above are solved" in designing.get(f"{at}checks/").content.decode()


def test_where_nothing_is_connected_nothing_is_checked(designing, at, draft):
    elsewhere = at.replace("/dev/", "/qa/")

    assert "has no connected pair" in designing.get(f"{elsewhere}checks/").content.decode()


def test_a_problem_stands_at_the_row_that_it_is_about(designing, at, draft):
    line = {"field": "Name", "from": ["customer.name"], "chips": [{"chip": "money"}]}
    parents = [{"field": "Stripe_Customer__r", "lines": [line]}]
    find = {"edit": "add_step", "kind": "salesforce.find", "settings": {"fields": ["Name", "2nd"], "by": []}}
    settings = {"edit": "set_settings", "step": "save", "settings": {"parents": parents}}
    change(draft, settings, find)

    saved = designing.get(at, {"step": "save"}).content.decode()
    found = designing.get(at, {"step": "find"}).content.decode()

    assert _problem(saved, "f-save-parents.0.lines.0.chips.0.currency-field") == "This is required"
    assert _problem(saved, "f-save-parents.0.object-err") == "This is required"
    assert _problem(found, "f-find-fields.1-err") == "This is not written as it has to be"
    assert 'aria-describedby="f-find-fields-help f-find-fields.1-err"' in found


def test_what_an_org_would_refuse_is_named_as_in_the_form():
    assert cards.setting("salesforce.upsert", "object") == "Salesforce object"
    assert cards.setting("map", "Card_Brand__c") == "Card_Brand__c"


def _problem(page: str, place: str) -> str:
    """Return the first problem that is shown behind the beginning of `place`."""
    found = re.search(rf'id="{re.escape(place)}".*?<p class="errors">([^<]*)', page, re.DOTALL)
    return found[1] if found else ""
