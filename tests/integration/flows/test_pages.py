"""Pages of runs, events and flows: what each shows to whom, and what its buttons do."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from flows import publishing
from flows.models import Attempt, Deployment, Event, Link, Pair, Run
from integrator import vault
from tests.builders import NOON, a_flow, a_pair, a_person, a_workspace, an_environment
from tests.integration.flows.given import a_charge, an_event, runs
from tests.integration.flows.reading import Reader

pytestmark = pytest.mark.django_db


def shown(page: str, these: list[Run]) -> list[bool]:
    """Tell for each run whether a list shows it."""
    return [f'id="run-{run.public_id}"' in page for run in these]


def an_attempt(run: Run, entries: list[dict[str, Any]]) -> None:
    """Give `run` an attempt with a trace."""
    Attempt.objects.create(
        run=run,
        started_at=NOON,
        finished_at=NOON + timedelta(milliseconds=430),
        outcome="done",
        trace=vault.seal(json.dumps(entries).encode(), owner=f"trace:{run.pk}"),
    )


# The list of runs


@pytest.mark.parametrize(
    "given",
    [
        ("applied", "done", "applied"),
        ("queued", "retrying", "queued"),
        ("waiting", "waiting", "waiting"),
        ("dead", "dead", "dead"),
        ("passed", "done", "superseded"),
    ],
)
def test_each_tab_shows_its_fates(
    reader: Reader, pair: Pair, live: Deployment, given: tuple[str, str, str]
) -> None:
    tab, state, fate = given
    other, wanted = runs(pair, 2)
    Run.objects.filter(pk=wanted.pk).update(
        state=state, fate=fate, finished_at=NOON if state in ("done", "dead") else None
    )
    Run.objects.filter(pk=other.pk).update(
        state="done", fate="ignored" if tab != "passed" else "applied", finished_at=NOON
    )

    assert shown(reader.page("runs/", fate=tab), [other, wanted]) == [False, True]


def test_a_run_is_found_by_any_id(reader: Reader, pair: Pair, live: Deployment) -> None:
    other, wanted = runs(pair, 2)
    Link.objects.create(
        pair=pair, stripe_id=wanted.event.object_id, salesforce_object="Payment__c", external_id="x",
        record_id="a0B5g00000XyZabEAF", agreed=b"", first_synced_at=NOON, synced_at=NOON,
    )  # fmt: skip
    root = wanted.lane.key.removeprefix("stripe:")

    for some_id in (
        wanted.public_id,
        wanted.event.external_id,
        wanted.event.object_id,
        root,
        "a0B5g00000XyZabEAF",
        "a0B5g00000XyZab",
    ):
        assert shown(reader.page("runs/", q=some_id), [other, wanted]) == [False, True], some_id


def test_runs_are_narrowed_by_type_flow_and_time(reader: Reader, pair: Pair, live: Deployment) -> None:
    old, new = runs(pair, 2)
    Run.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=3))
    Run.objects.filter(pk=new.pk).update(created_at=timezone.now())
    Event.objects.filter(pk=new.event_id).update(type="charge.failed")

    assert shown(reader.page("runs/", period="24h"), [old, new]) == [False, True]
    assert shown(reader.page("runs/", type="charge.failed"), [old, new]) == [False, True]
    assert shown(reader.page("runs/", flow=live.flow.public_id), [old, new]) == [True, True]
    assert shown(reader.page("runs/", flow="another"), [old, new]) == [False, False]
    yesterday = (timezone.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert shown(reader.page("runs/", until=yesterday), [old, new]) == [True, False]


@pytest.mark.parametrize(
    "query", [{"period": "soon"}, {"since": "2026-13-45"}, {"before": "?"}, {"fate": "none"}, {"q": "\x00"}]
)
def test_a_filter_that_cannot_be_read_is_as_if_it_were_not_there(
    reader: Reader, live: Deployment, query: dict[str, str]
) -> None:
    assert "Runs" in reader.page("runs/", **query)


def test_pages_follow_each_other_without_a_gap(reader: Reader, pair: Pair, live: Deployment) -> None:
    every = runs(pair, 60)
    first = reader.page("runs/")
    older = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")

    second = reader.client.get(older).content.decode()

    assert sum(shown(first, every)) == 50
    assert sum(shown(second, every)) == 10
    assert not any(a and b for a, b in zip(shown(first, every), shown(second, every), strict=True))


def test_the_numbers_over_the_list_come_alone(reader: Reader, live: Deployment) -> None:
    answer = reader.client.get("/w/acme/dev/runs/", headers={"X-Part": "tabs"}).content.decode()

    assert 'id="tabs"' in answer
    assert "<html" not in answer


# One run


def test_every_step_is_shown_with_its_values(reader: Reader, pair: Pair, live: Deployment) -> None:
    (run,) = runs(pair, 1)
    an_attempt(run, [
        {"step": "source", "kind": "fetched", "output": None},
        {
            "step": "map", "kind": "map", "title": "Describe it", "exit": "next", "ms": 12,
            "input": {"name": "Jenny"}, "output": {"Name": "Jenny"}, "error": None,
        },
        {
            "step": "save", "kind": "salesforce.upsert", "title": "Save it", "exit": None, "ms": 900,
            "error": {"class": "data", "code": "STRING_TOO_LONG", "field": "Name", "message": "too long"},
        },
    ])  # fmt: skip

    page = reader.page(f"runs/{run.public_id}/")

    for text in ("Read the object anew", "Describe it", "Jenny", "12 ms", "Save it", "STRING_TOO_LONG"):
        assert text in page
    assert "Let the mapping cut the text to the length of Name" in page


def test_a_step_that_was_left_in_doubt_says_why_it_is_taken_twice(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    (run,) = runs(pair, 1)
    save = {"step": "save", "kind": "salesforce.upsert", "title": "Save it", "ms": 1}
    an_attempt(run, [
        {"step": "source", "kind": "payload"}, {**save, "exit": None, "output": "in doubt"},
        {"step": "source", "kind": "fetched"}, {**save, "exit": "next", "output": {"id": "a0B"}},
    ])  # fmt: skip

    page = reader.page(f"runs/{run.public_id}/")

    assert page.count("so the object is read again") == 1
    assert page.index("so the object is read again") < page.index("Read the object anew")


@pytest.mark.parametrize(
    ("origin", "words"),
    [("live", "Delivered as it happened"), ("walk", "Found in Stripe&#x27;s list of events")],
)
def test_how_an_event_came_is_not_mixed_up_with_its_mode(
    reader: Reader, pair: Pair, origin: str, words: str
) -> None:
    event = an_event(pair.stripe)
    Event.objects.filter(pk=event.pk).update(origin=origin)

    assert f"<dt>How it came</dt><dd>{words}</dd>" in reader.page(f"events/{event.pk}/")


def test_who_may_not_read_payloads_sees_the_steps_alone(client: Client, pair: Pair, live: Deployment) -> None:
    (run,) = runs(pair, 1, description="Jenny's order")
    an_attempt(
        run, [{"step": "map", "kind": "map", "title": "Describe it", "exit": "next", "input": "Jenny"}]
    )

    page = Reader(client, a_person("vera@acme.test", "viewer")).page(f"runs/{run.public_id}/")

    assert "Describe it" in page
    assert "Jenny" not in page


def test_secrets_in_a_body_are_masked(reader: Reader, pair: Pair, live: Deployment) -> None:
    (run,) = runs(pair, 1, metadata={"api_key": "abc", "note": "sk_live_4eC39HqLyjWDarjtT1zdp7dc"})

    page = reader.page(f"runs/{run.public_id}/")

    assert "sk_live" not in page
    assert "•••" in page


def test_a_trace_whose_key_is_lost_is_named(reader: Reader, pair: Pair, live: Deployment) -> None:
    (run,) = runs(pair, 1)
    Attempt.objects.create(run=run, started_at=NOON, finished_at=NOON, outcome="done", trace=b"lost")

    assert "cannot be opened" in reader.page(f"runs/{run.public_id}/")


# Events


def test_an_event_shows_what_became_of_it(reader: Reader, pair: Pair, live: Deployment) -> None:
    (run,) = runs(pair, 1)

    assert run.event.external_id in reader.page("events/")
    page = reader.page(f"events/{run.event_id}/")

    assert run.public_id in page
    assert run.event.object_id in page


def test_events_are_narrowed_to_what_a_flow_missed_while_it_was_off(reader: Reader, pair: Pair) -> None:
    missed, other = an_event(pair.stripe, external_id="evt_1"), an_event(pair.stripe, external_id="evt_2")
    Event.objects.filter(pk=missed.pk).update(fate="ignored", fate_reason="the flow is switched off")
    Event.objects.filter(pk=other.pk).update(fate="ignored", fate_reason="no flow handles it")

    page = reader.page("events/", fate="passed", reason="off")

    assert "evt_1" in page
    assert "evt_2" not in page


def test_a_body_that_cannot_be_read_is_shown_as_text(reader: Reader, pair: Pair) -> None:
    event = an_event(
        pair.stripe, a_charge(), body=b'{"broken": \xff<b>sk_live_4eC39HqLyjWDarjtT1zdp7dc', type=""
    )

    page = reader.page(f"events/{event.pk}/")

    assert "cannot be read as an event" in page
    assert "&lt;b&gt;" in page
    assert "sk_live" not in page


# Flows


@pytest.fixture
def approver(client: Client) -> Reader:
    return Reader(client, a_person("paula@acme.test", "approver"))


def test_a_flow_is_shown_as_steps_and_mapping(approver: Reader, pair: Pair) -> None:
    version = publishing.install_recipe(
        slug="payments", integration=pair.integration, actor="paula@acme.test", now=NOON
    )

    page = approver.page(f"flows/{version.flow.public_id}/")

    for text in (
        "charge.succeeded",
        "Describe the payment",
        "Amount__c",
        "charge.amount",
        "money",
        "refused",
    ):
        assert text in page


def test_a_version_is_deployed_and_rolled_back(approver: Reader, pair: Pair, live: Deployment) -> None:
    document = {**live.version.document, "description": "changed"}
    newer = publishing.publish(flow=live.flow, document=document, actor="ada", now=NOON)
    path = f"flows/{live.flow.public_id}/deploy/"

    approver.press(path, version=str(newer.number))
    assert Deployment.objects.get(ended_at=None).version == newer
    approver.press(path, version=str(live.version.number))

    assert Deployment.objects.get(ended_at=None).version == live.version


def test_a_flow_cannot_be_deployed_where_nothing_is_connected(approver: Reader, live: Deployment) -> None:
    an_environment("qa")

    answer = approver.press(f"flows/{live.flow.public_id}/deploy/", "qa", version="1")

    assert answer.status_code == 409
    assert "Connect Stripe and Salesforce" in answer.headers["HX-Trigger"]


def test_a_flow_is_switched_off_and_on(approver: Reader, live: Deployment) -> None:
    path = f"flows/{live.flow.public_id}/switch/"

    approver.press(path, enabled="false")
    assert not Deployment.objects.get(pk=live.pk).enabled
    approver.press(path, enabled="true")

    assert Deployment.objects.get(pk=live.pk).enabled


@pytest.mark.parametrize("form", [{}, {"enabled": "perhaps"}], ids=["nothing", "neither"])
def test_a_form_that_says_neither_on_nor_off_switches_nothing(
    approver: Reader, live: Deployment, form: dict[str, str]
) -> None:
    answer = approver.press(f"flows/{live.flow.public_id}/switch/", **form)

    assert answer.status_code == 422
    assert Deployment.objects.get(pk=live.pk).enabled


def test_switching_off_asks_first_and_names_the_environment(approver: Reader, live: Deployment) -> None:
    assert f'hx-confirm="Switch {live.flow.name} off in Development?' in approver.page("flows/")


def test_an_operator_sees_no_switch(reader: Reader, live: Deployment) -> None:
    assert 'role="switch"' not in reader.page("flows/")
    assert reader.press(f"flows/{live.flow.public_id}/switch/", enabled="false").status_code == 403


def test_a_flow_of_another_workspace_is_not_there(reader: Reader, live: Deployment) -> None:
    foreign = a_pair(an_environment("dev", a_workspace("globex")))
    flow = a_flow(foreign.integration, slug="foreign")

    assert reader.client.get(f"/w/acme/dev/flows/{flow.public_id}/").status_code == 404
