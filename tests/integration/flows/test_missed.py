"""What people see and do about missed events: pages, REST and commands."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from connectors.models import Connection, Cursor
from flows import missed, streams, walk
from flows.models import Event, Pair
from integrator.accounts.models import AuditEntry
from tests.builders import NOON, a_person
from tests.integration.flows.given import a_live_flow, an_event
from tests.integration.flows.listing import ListingStripe
from tests.integration.flows.reading import Reader

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def billing(pair: Pair) -> Connection:
    a_live_flow(pair)
    return pair.stripe


@pytest.fixture
def stripe(monkeypatch: pytest.MonkeyPatch) -> ListingStripe:
    listing = ListingStripe(timezone.now())
    listing.lists["charge"] = []
    monkeypatch.setattr(streams.gateway, "call_many", listing.call_many)
    return listing


@pytest.fixture
def admin(client: Client) -> Reader:
    return Reader(client, a_person("axel@acme.test", "admin"))


def where(billing: Connection, act: str = "") -> str:
    return f"connections/{billing.public_id}/missed/{act}"


# Pages


def test_the_connection_says_what_was_recovered(reader, billing, stripe):
    stripe.event("evt_lost", timezone.now())
    walk.walk_due(now=timezone.now())
    an_event(billing, origin="sweep", received_at=timezone.now())
    an_event(billing, origin="walk", received_at=timezone.now(), fate="ignored")  # no webhook asks for it
    an_event(billing, origin="walk", received_at=timezone.now() - 2 * DAY)

    page = reader.page(f"connections/{billing.public_id}/")

    assert '<span class="tabular">1</span> event, <span class="tabular">1</span> changed object' in page
    assert "Complete up to" in page


def test_the_page_tells_what_failed_and_what_is_compared(reader, billing):
    Cursor.objects.create(connection=billing, stream=walk.STREAM, checked_at=NOON, failure="No route to host")
    state = {"number": 1, "since": 0, "compared": 420, "found": 7, "over": True}
    Cursor.objects.create(connection=billing, stream="sweep:charge", state=state, reached_at=NOON)

    page = reader.page(where(billing))

    assert "No route to host" in page
    assert ">420</td>" in page
    assert ">7</td>" in page


def test_a_salesforce_connection_has_no_such_page(reader, pair):
    assert "Missed events" not in reader.page(f"connections/{pair.salesforce.public_id}/")
    assert reader.client.get(f"/w/acme/dev/{where(pair.salesforce)}").status_code == 404


def test_an_operator_has_the_list_read_from_a_moment_on(reader, billing, stripe):
    since = (timezone.now() - 3 * DAY).replace(second=0, microsecond=0)

    answer = reader.client.post(
        f"/w/acme/dev/{where(billing, 'catch-up/')}", {"since": since.isoformat()[:16]}
    )

    assert answer.status_code == 302
    assert missed.standing(billing, now=timezone.now()).asked_since == since
    entry = AuditEntry.objects.get(action="events.catch_up")
    assert (entry.actor, entry.details["since"]) == ("otto@acme.test", since.isoformat())


def test_looking_now_needs_no_moment(reader, billing, stripe):
    walk.walk_due(now=timezone.now())
    stripe.event("evt_lost", timezone.now())
    assert walk.walk_due(now=timezone.now()) == 0

    reader.client.post(f"/w/acme/dev/{where(billing, 'catch-up/')}")

    assert walk.walk_due(now=timezone.now()) == 1


@pytest.mark.parametrize(
    ("since", "says"),
    [
        pytest.param("2020-01-01T00:00", "30 days only", id="too long ago"),
        pytest.param("2099-01-01T00:00", "not come yet", id="in the future"),
        pytest.param("yesterday", "valid date", id="no time"),
    ],
)
def test_a_moment_that_cannot_be_taken_is_refused_beside_its_field(reader, billing, since, says):
    answer = reader.client.post(f"/w/acme/dev/{where(billing, 'catch-up/')}", {"since": since})

    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not Cursor.objects.exists()


def test_an_operator_has_the_objects_compared(reader, billing, stripe):
    reader.client.post(f"/w/acme/dev/{where(billing, 'compare/')}", {"since": "2020-01-01T00:00"})

    (sweep,) = missed.standing(billing, now=timezone.now()).sweeps
    assert (sweep.object_type, sweep.under_way) == ("charge", True)
    assert AuditEntry.objects.get(action="events.compared").details["objects"] == ["charge"]


def test_only_an_administrator_says_how_it_is_looked(reader, admin, billing):
    form = {"walk_only": "on", "walk_minutes": "15", "sweep_days": "0", "sweep_hour": "4"}
    reader.client.force_login(a_person("olga@acme.test", "operator"))
    assert reader.client.post(f"/w/acme/dev/{where(billing, 'looking/')}", form).status_code == 403

    admin.client.force_login(a_person("ada2@acme.test", "admin"))
    admin.client.post(f"/w/acme/dev/{where(billing, 'looking/')}", form)

    billing.refresh_from_db()
    assert billing.settings == {"walk_only": True, "walk_minutes": 15, "sweep_days": 0, "sweep_hour": 4}
    assert walk.every(billing) == walk.EVERY_ALONE
    assert AuditEntry.objects.get(action="events.looking_changed").details["sweep_days"] == 0


def test_an_event_of_another_version_says_so(reader, billing):
    event = an_event(billing, api_version="2024-04-10")

    assert "read anew before it is mapped" in reader.page(f"events/{event.pk}/")


def test_an_event_whose_content_was_deleted_says_so(reader, billing):
    event = an_event(billing)
    Event.objects.filter(pk=event.pk).update(body=b"", purged_at=NOON)

    assert "deleted because of its age" in reader.page(f"events/{event.pk}/")


# REST


@pytest.fixture
def ask(client: Client, billing: Connection) -> Any:
    def asking(method: str, path: str = "", body: Any = None, role: str = "admin") -> Any:
        person = a_person(f"{role}-{method}-{timezone.now().timestamp()}@acme.test", role)
        client.force_login(person)
        address = f"/api/v1/connections/{billing.public_id}/missed-events/{path}"
        return client.generic(method, address, json.dumps(body or {}), content_type="application/json")

    return asking


def test_rest_shows_and_sets_how_it_is_looked(ask, billing, stripe):
    walk.walk_due(now=timezone.now())

    answer = ask("PATCH", body={"walk_only": True, "sweep_days": 90}).json()

    assert (answer["walk_only"], answer["walk_minutes"], answer["sweep_days"]) == (True, 5, 90)
    assert ask("GET", role="viewer").json() == answer | {"next_walk": ask("GET").json()["next_walk"]}
    assert answer["last_walk"]
    assert answer["sweeps"][0]["object_type"] == "charge"


def test_rest_asks_for_both(ask, billing, stripe):
    since = (timezone.now() - DAY).isoformat()

    assert ask("POST", "catch-up/", {"since": since}, role="operator").json()["asked_since"]
    assert ask("POST", "compare/", role="operator").json()["sweeps"][0]["under_way"] is True


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        ("catch-up/", "POST", {"since": "2020-01-01T00:00:00Z"}),
        ("compare/", "POST", {"since": "2099-01-01T00:00:00Z"}),
        ("catch-up/", "POST", {"since": "0001-01-01T00:00:00+14:00"}),
        ("compare/", "POST", {"since": "0001-01-01T00:00:00+00:00"}),
        ("compare/", "POST", {"since": "9999-12-31T23:59:59-14:00"}),
        ("", "PATCH", {"walk_minutes": 0}),
        ("", "PATCH", {"sweep_days": 9999}),
    ],
)
def test_rest_refuses_what_cannot_be_taken(ask, path, method, body):
    answer = ask(method, path, body)

    assert answer.status_code == 400
    assert next(iter(body)) in json.dumps(answer.json())


# Commands


def told(command: str, **options: Any) -> Any:
    out = io.StringIO()
    call_command(command, stdout=out, **options)
    return json.loads(out.getvalue())


def test_the_command_walks_to_the_end_of_the_list(billing, stripe):
    stripe.most = 1
    for number in range(walk.PAGES + 3):
        stripe.event(f"evt_{number}", timezone.now())

    assert told("walk") == [{"connection": "Stripe", "recovered": walk.PAGES + 3, "failure": ""}]


def test_the_command_walks_from_a_moment_on(billing, stripe):
    stripe.event("evt_old", timezone.now() - 9 * DAY)

    (answer,) = told("walk", since=(timezone.now() - 10 * DAY).isoformat(), connection=billing.public_id)

    assert answer["recovered"] == 1


@pytest.mark.parametrize(
    "options", [{"since": "yesterday"}, {"since": "2020-01-01T00:00:00Z"}, {"connection": "nobody"}]
)
def test_the_command_says_what_it_cannot_do(billing, stripe, options):
    with pytest.raises(CommandError):
        told("walk", **options)


def test_the_command_says_when_the_list_cannot_be_read(billing, stripe):
    stripe.account = "acct_other"

    with pytest.raises(CommandError, match="Could not read the list of Stripe"):
        told("walk")


def test_the_command_compares_all_objects(billing, stripe):
    stripe.most = 1
    now = int(timezone.now().timestamp())
    stripe.put("charge", *({"id": f"ch_{n}", "object": "charge", "created": now - n} for n in range(30)))

    (answer,) = told("sweep", days=2)

    assert answer == {"connection": "Stripe", "found": 30, "compared": {"charge": 30}, "failures": {}}


def test_the_command_counts_before_it_deletes(billing):
    an_event(billing, dispatched_at=NOON, fate="ignored", received_at=NOON - 99 * DAY)

    counted = told("purge", dry_run=True)
    assert counted["contents"] == 1
    assert Event.objects.get().purged_at is None

    assert told("purge") == {"deleted": 2}
    assert not Event.objects.exists()
