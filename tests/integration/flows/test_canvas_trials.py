"""Running a draft from its canvas up to a step, its test cases, and what ran along its steps."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from flows import passages, publishing
from flows.models import Draft, Flow, Pair, TestCase
from tests.builders import NOON, a_person
from tests.integration.flows.drafting import change
from tests.integration.flows.given import a_charge, an_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def designing(client: Client) -> Client:
    """Return a browser of a designer."""
    client.force_login(a_person("ada@acme.test", "designer"))
    return client


@pytest.fixture
def at(flow: Flow) -> str:
    """Return the address of the flow's canvas."""
    return f"/w/acme/dev/flows/{flow.public_id}/design/"


def pasted(**charge: Any) -> str:
    about = {
        "type": "charge.succeeded",
        "created": int(NOON.timestamp()),
        "data": {"object": a_charge(**charge)},
    }
    return json.dumps(about)


def run(client: Client, at: str, step: str, **charge: Any) -> Any:
    return client.post(f"{at}run/{step}/", {"on": "pasted", "body": pasted(**charge)})


def states(answer: Any) -> dict[str, tuple[str, str]]:
    """Return what became of each step, and by which ways it was left."""
    found = re.findall(
        r'data-walked="(\w+)" data-state="(\w+)" data-exits="([^"]*)"', answer.content.decode()
    )
    return {step: (state, exits) for step, state, exits in found}


def test_the_draft_runs_up_to_a_step_whatever_is_unfinished_behind_it(designing, at, draft):
    change(draft, {"edit": "set_settings", "step": "large", "settings": {}})

    answer = run(designing, at, "save", id="ch_seen")

    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Ran to “Save”" in page
    assert states(answer) == {"map_payment": ("done", "next"), "save": ("done", "next")}
    assert "ch_seen" in page
    assert f'data-revision="{Draft.objects.get().revision}"' in page


def test_the_way_that_was_taken_is_told_and_a_step_on_another_way_is_not_reached(designing, at, draft):
    large, small = run(designing, at, "stop", amount=500), run(designing, at, "stop", amount=5)

    assert states(large)["large"] == ("done", "yes")
    assert states(large)["stop"] == ("ended", "")
    assert states(small)["large"] == ("done", "no")
    assert states(small)["stop"] == ("not_reached", "")
    assert "Did not come to “Stop”" in small.content.decode()


def test_a_list_tells_how_many_elements_went_which_way(designing, at, draft):
    rules = {"all": [{"path": "line.amount", "is": "greater", "value": 1}]}
    inner = {"id": "size", "kind": "condition", "settings": rules}
    lines = {"id": "lines", "kind": "for_each", "settings": {"list": "charge.lines", "name": "line"},
             "exits": {"each": [inner]}}  # fmt: skip
    change(draft, {"edit": "paste_steps", "steps": [lines]})

    answer = run(designing, at, "lines", amount=5, lines=[{"amount": 1}, {"amount": 2}, {"amount": 3}])

    assert states(answer)["lines"] == ("done", "next each")
    assert states(answer)["size"] == ("done", "no yes")
    assert answer.content.decode().count("3 elements") >= 2


def test_of_a_list_the_element_that_failed_is_shown(designing, at, draft):
    fields = [{"field": "External_ID__c", "from": ["line.id"], "empty": "fail"},
              {"field": "Name", "from": ["line.name"]}]  # fmt: skip
    inner = {"id": "each_line", "kind": "map", "settings": {"target": "Payment__c", "lines": fields}}
    lines = {"id": "lines", "kind": "for_each", "settings": {"list": "charge.lines", "name": "line"},
             "exits": {"each": [inner]}}  # fmt: skip
    change(draft, {"edit": "paste_steps", "steps": [lines]})

    answer = run(designing, at, "lines", amount=5, lines=[{"id": "l1"}, {"name": "has no id"}])

    page = answer.content.decode()
    assert states(answer)["each_line"] == ("failed", "next")
    assert "2 elements, 1 failed" in page
    assert "one that failed is shown" in page
    assert "External_ID__c has no value" in page


def test_a_failure_shows_at_its_step_with_what_to_do(designing, at, draft):
    lines = [{"field": "External_ID__c", "from": ["charge.nothing"], "empty": "fail"}]
    settings = {"target": "Payment__c", "lines": lines}
    change(draft, {"edit": "set_settings", "step": "map_payment", "settings": settings})

    answer = run(designing, at, "save")

    assert states(answer) == {"map_payment": ("failed", ""), "save": ("not_reached", "")}
    assert "Would become a dead letter" in answer.content.decode()


@pytest.mark.parametrize(
    ("step", "form", "told"),
    [
        pytest.param("save", {}, "Choose an event", id="no event"),
        pytest.param("save", {"on": "pasted", "body": "{"}, "role=\"alert\"", id="no JSON"),
        pytest.param("nowhere", {"on": "pasted", "body": pasted()}, "no step nowhere", id="no such step"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("draft")
def test_what_cannot_be_run_says_why(designing, at, step, form, told):
    answer = designing.post(f"{at}run/{step}/", form)

    assert answer.status_code == 422
    assert told in answer.content.decode()


def test_what_is_unfinished_on_the_way_is_named(designing, at, draft):
    change(draft, {"edit": "set_settings", "step": "map_payment", "settings": {}})

    answer = run(designing, at, "save")

    assert answer.status_code == 422
    assert "Describe: Salesforce object: This is required" in answer.content.decode()
    trying = designing.get(f"/w/acme/dev/flows/{draft.flow.public_id}/try/", {"version": "draft"})
    assert "Describe: Salesforce object: This is required" in trying.content.decode()


def test_hostile_texts_stay_texts_in_what_came_of_a_run(designing, at, draft):
    hostile = "<script>alert(1)</script>"

    page = run(designing, at, "save", id=hostile).content.decode()

    assert hostile not in page
    assert "&lt;script&gt;" in page


def test_the_events_that_a_draft_can_be_run_on_are_offered(designing, at, draft, flow):
    pair = Pair.objects.get(integration=flow.integration)
    event = an_event(pair.stripe)
    an_event(pair.stripe, type="charge.refunded", found=a_charge(id="ch_of_another_type"))

    page = designing.get(f"{at}run/").content.decode()

    assert f'value="event:{event.pk}" checked' in page
    assert "ch_of_another_type" not in page
    assert 'value="sample:payments.charge_succeeded"' in page


def test_who_may_not_change_flows_runs_no_draft(client, at, draft, otto):
    client.force_login(otto)

    assert client.get(f"{at}run/").status_code == 403
    assert run(client, at, "save").status_code == 403
    assert client.post(f"{at}cases/").status_code == 403


def test_the_test_cases_run_on_the_draft_that_is_to_be_published(designing, at, draft, flow):
    trying = f"/w/acme/dev/flows/{flow.public_id}/try/"
    designing.post(f"{trying}save/", {"name": "A card", "on": "pasted", "body": pasted(amount=5)})
    assert TestCase.objects.count() == 1
    assert "1 test case, not run on this draft yet" in designing.get(at).content.decode()

    passed = designing.post(f"{at}cases/").content.decode()
    change(draft, {"edit": "remove_step", "step": "save"})
    failed = designing.post(f"{at}cases/").content.decode()

    assert "The test case passed" in passed
    assert "1 of 1 failed" in failed
    assert "A card" in failed


def test_the_dialog_says_where_the_version_goes(designing, at, draft, flow):
    assert "nothing of this flow is live yet" in designing.get(at).content.decode()
    pair = Pair.objects.get(integration=flow.integration)
    publishing.deploy(version=flow.versions.get(), pair=pair, actor="ada", now=NOON)

    assert "it would take the place of version 1, between Stripe and Salesforce" in " ".join(
        designing.get(at).content.decode().split()
    )
    assert "has no connected pair" in designing.get(at.replace("/dev/", "/qa/")).content.decode()


def test_a_live_flow_shows_what_ran_along_its_steps_in_that_environment(designing, at, draft, flow):
    pair = Pair.objects.get(integration=flow.integration)
    version = flow.versions.get()
    publishing.deploy(version=version, pair=pair, actor="ada", now=NOON)
    change(draft, {"edit": "add_step", "kind": "stop"})
    ways = {("map_payment", "next"): 1204, ("save", "next"): 1201, ("save", "!failed"): 3,
            ("large", "yes"): 5, ("large", "no"): 1196, ("stop", ""): 5}  # fmt: skip
    with transaction.atomic():
        passages.add(
            Counter({(version.pk, pair.pk, *way): times for way, times in ways.items()}), now=timezone.now()
        )

    canvas = " ".join(designing.get(at).content.decode().split())
    page = " ".join(designing.get(at.removesuffix("design/")).content.decode().split())

    assert '<span class="passed">1,204<' in canvas
    assert "3 failed</span>" in canvas
    assert 'yes<span class="way-taken"> · 5<' in canvas
    assert 'no<span class="way-taken"> · 1,196<' in canvas
    assert canvas.count('class="passed"') == 4  # the new step was passed by nobody
    assert "<strong>1,204</strong>" in page
    assert "yes · 5" in page
    shown = {"seen": Draft.objects.get().revision, "passed": re.findall(r'data-passed="([^"]+)"', canvas)[0]}
    assert designing.get(f"{at}parts/", shown).status_code == 204
    with transaction.atomic():
        passages.add(Counter({(version.pk, pair.pk, "map_payment", "next"): 1}), now=timezone.now())
    assert '<span class="passed">1,205<' in designing.get(f"{at}parts/", shown).content.decode()
    assert 'class="passed"' not in designing.get(at.replace("/dev/", "/qa/")).content.decode()
