"""Lists: filters, pages that new rows never shift, and what each row tells to whom."""

from __future__ import annotations

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from flows.models import Fate
from integrator.accounts.roles import Role
from tests.builders import NOON, a_connection, an_environment
from tests.integration.api.conftest import CANARY
from tests.integration.flows.given import an_event


def ids(answer):
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(lambda stage: {"external_id": stage.event.external_id}, id="external id"),
        pytest.param(lambda stage: {"object_id": stage.event.object_id}, id="object"),
        pytest.param(lambda _: {"fate": "dead"}, id="fate"),
        pytest.param(lambda _: {"type": "charge.succeeded", "fate": "dead"}, id="type"),
        pytest.param(lambda stage: {"connection": stage.stripe.public_id, "fate": "dead"}, id="connection"),
        pytest.param(
            lambda _: {
                "received_after": "2026-11-24T11:00:00Z",
                "received_before": "2026-11-24T13:00:00Z",
            },
            id="time",
        ),
        pytest.param(lambda _: {"environment": "dev", "fate": "dead"}, id="environment"),
    ],
)
def test_events_are_found(admin, stage, query):
    an_event(stage.pair.salesforce, type="other", received_at=NOON.replace(hour=20), fate=Fate.IGNORED)

    assert ids(admin.get("events/", **query(stage))) == [stage.event.pk]


def test_events_are_found_by_the_way_they_came(admin, stage):
    walked = an_event(stage.stripe, received_at=NOON, fate=Fate.DEAD, origin="walk")
    an_event(stage.stripe, received_at=NOON, fate=Fate.IGNORED, origin="walk")  # no flow wanted it

    assert ids(admin.get("events/", came="found")) == [walked.pk]
    assert ids(admin.get("events/", came="delivered")) == [stage.event.pk]
    assert admin.get("events/", came="by pigeon").status_code == 400


def test_events_are_found_by_when_they_were_taken_up_and_runs_by_when_they_ended(admin, stage):
    later = NOON + timedelta(hours=1)
    taken = an_event(stage.stripe, received_at=NOON, dispatched_at=later, fate=Fate.IGNORED)

    assert ids(admin.get("events/", handled_after=later.isoformat())) == [taken.pk]
    assert ids(admin.get("runs/", ended_after=NOON.isoformat())) == [stage.run.public_id]
    assert ids(admin.get("runs/", ended_after=later.isoformat())) == []
    assert admin.get("runs/", ended_after="0001-01-01T00:00:00Z").status_code == 400


def test_a_span_of_time_holds_what_was_received_in_it_though_ids_lie_out_of_order(admin, stage):
    late = [NOON + timedelta(minutes=minute, seconds=second) for minute, second in enumerate([5, 0, 30, 10])]
    made = [an_event(stage.stripe, received_at=NOON + timedelta(hours=1))]
    made += [an_event(stage.stripe, received_at=moment) for moment in (late[1], late[0], late[3], late[2])]

    found = ids(admin.get("events/", received_after=late[1].isoformat(), received_before=late[3].isoformat()))

    assert found == [made[4].pk, made[1].pk]


@pytest.mark.parametrize("query", [{"fate": "lost"}, {"received_after": "yesterday"}, {"fate": "dead\x00"}])
def test_a_filter_that_makes_no_sense_is_named(admin, query):
    answer = admin.get("events/", **query)

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == list(query)


def test_pages_follow_each_other_and_new_rows_do_not_shift_them(admin, stage):
    for _ in range(6):
        an_event(stage.stripe)
    first = admin.get("events/", limit="3").json()
    an_event(stage.stripe)

    cursor = first["next"].partition("cursor=")[2].partition("&")[0]
    second = admin.get("events/", limit="3", cursor=cursor).json()
    third = admin.get(
        "events/", limit="3", cursor=second["next"].partition("cursor=")[2].split("&")[0]
    ).json()

    seen = [row["id"] for page in (first, second, third) for row in page["results"]]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen)) == 7
    assert third["next"] is None


def test_the_next_page_has_the_right_address_under_asgi(admin, stage):
    an_event(stage.stripe)

    ask = async_to_sync(AsyncClient().get)
    answer = ask("/api/v1/events/?limit=1", headers={"Authorization": f"Bearer {admin.token}"})

    assert answer.json()["next"].startswith("http://testserver/api/v1/events/?cursor=")


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "201"}, {"limit": "x"}, {"cursor": "🙂"}, {"cursor": "AA"}]
)
def test_a_page_that_cannot_be_is_refused(admin, query):
    assert admin.get("events/", **query).status_code == 400


def test_an_event_shows_its_body_to_those_who_may_see_it(program, stage):
    path = f"events/{stage.event.pk}/"

    shown = program(Role.OPERATOR).get(path).json()
    hidden = program(Role.VIEWER).get(path).json()

    assert shown["body"]["data"]["object"]["amount"] == 1999
    assert shown["runs"] == [
        {
            "id": stage.run.public_id,
            "flow": stage.deployment.flow.public_id,
            "state": "dead",
            "fate": "dead",
        }
    ]
    assert hidden["body"] is None
    assert hidden["external_id"] == stage.event.external_id


def test_an_unreadable_event_is_shown_without_a_body(admin, stage):
    event = an_event(stage.stripe, body=b"{not json", unreadable="The body is not JSON.")

    assert admin.get(f"events/{event.pk}/").json()["body"] is None


def test_a_run_shows_every_steps_input_and_output_to_those_who_may_see_them(program, stage):
    path = f"runs/{stage.run.public_id}/"

    shown = program(Role.DESIGNER).get(path).json()
    hidden = program(Role.FINANCE).get(path).json()

    assert shown["tries"][0]["trace"][0]["output"] == {"id": "a00"}
    assert hidden["tries"][0]["trace"] is None
    assert hidden["tries"][0]["outcome"] == "gave up"


@pytest.mark.parametrize(
    "query",
    [
        lambda _: {"state": "dead"},
        lambda _: {"fate": "dead"},
        lambda stage: {"flow": stage.deployment.flow.public_id},
        lambda stage: {"external_id": stage.event.external_id},
        lambda stage: {"object_id": stage.event.object_id},
    ],
)
def test_runs_are_found(admin, stage, query):
    assert ids(admin.get("runs/", **query(stage))) == [stage.run.public_id]
    assert ids(admin.get("runs/", state="waiting")) == []


@pytest.mark.parametrize(
    "path",
    [
        "events/",
        "events/{event}/",
        "runs/",
        "runs/{run}/",
        "dead-letters/",
        "dead-letters/{letter}/",
        "connections/",
        "connections/{stripe}/",
        "connections/{stripe}/webhooks/",
        "health/",
    ],
)
def test_no_answer_shows_a_secret(admin, stage, path):
    text = admin.get(
        path.format(
            event=stage.event.pk,
            run=stage.run.public_id,
            letter=stage.letter.public_id,
            stripe=stage.stripe.public_id,
        )
    )

    assert text.status_code == 200
    assert CANARY not in text.content.decode()
    assert b"ciphertext" not in text.content


def test_connections_of_an_environment(admin, stage):
    a_connection("stripe", an_environment("qa"), name="Other")

    assert ids(admin.get("connections/", environment="dev", system="stripe")) == [stage.stripe.public_id]
