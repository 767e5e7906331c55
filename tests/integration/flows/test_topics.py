"""What people may do about topics, and what they are told of each."""

from __future__ import annotations

import json
import subprocess
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from connectors.models import Connection, Topic
from flows import missed_changes, presence, topics
from flows.listening import Listener
from flows.models import Pair, PolledObject
from integrator.accounts.models import AuditEntry
from integrator.kernel.refusals import Unacceptable
from monitoring.gathering import gather
from monitoring.memory import Memory
from tests.builders import a_person
from tests.integration.flows.reading import Reader

pytestmark = pytest.mark.django_db

NAME = "/data/AccountChangeEvent"
HOUR = timedelta(hours=1)


@pytest.fixture
def crm(pair: Pair) -> Connection:
    return pair.salesforce


@pytest.fixture
def admin(client: Client) -> Reader:
    return Reader(client, a_person("axel@acme.test", "admin"))


def a_topic(crm: Connection, name: str = NAME, **fields: Any) -> Topic:
    return Topic.objects.create(connection=crm, name=name, **({"created_at": timezone.now()} | fields))


def where(crm: Connection, act: str = "") -> str:
    return f"/w/acme/dev/connections/{crm.public_id}/topics/{act}"


def test_an_administrator_has_a_topic_listened_to(admin, crm):
    answer = admin.client.post(where(crm, "choose/"), {"name": f" {NAME} "})

    assert answer.status_code == 302
    assert Topic.objects.get().name == NAME
    assert "Listening" not in admin.page(f"connections/{crm.public_id}/"), "not before it is heard"
    assert NAME in admin.page(f"connections/{crm.public_id}/")
    entry = AuditEntry.objects.get(action="topic.chosen")
    assert (entry.actor, entry.details["topic"]) == ("axel@acme.test", NAME)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("AccountChangeEvent", "This is no topic", id="no topic"),
        pytest.param("/data/Account' OR 1", "This is no topic", id="no name"),
        pytest.param("/data/Account", "/data/AccountChangeEvent", id="an object"),
        pytest.param("/data/Paid__e", "/event/Paid__e", id="a platform event at the wrong place"),
        pytest.param("/data/ContactChangeEvent", "already", id="listened to already"),
    ],
)
def test_a_topic_that_cannot_be_taken_is_refused_beside_its_field(admin, crm, name, says):
    a_topic(crm, "/data/ContactChangeEvent")

    answer = admin.client.post(where(crm, "choose/"), {"name": name})

    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert Topic.objects.count() == 1


@pytest.mark.parametrize(
    "name",
    [
        "/data/ChangeEvents", "/data/AccountChangeEvent", "/data/acme__Invoice__ChangeEvent",
        "/data/Sales__chn", "/event/Paid__e", "/event/Own__chn", "/event/BatchApexErrorEvent",
    ],
)  # fmt: skip
def test_every_kind_of_topic_can_be_chosen(crm, name):
    now = timezone.now()

    assert topics.choose(connection=crm, name=name, actor="axel@acme.test", now=now).name == name


@pytest.mark.parametrize(
    ("name", "topic"),
    [
        pytest.param("Account", "/data/AccountChangeEvent", id="an object"),
        pytest.param("acme__Invoice__c", "/data/acme__Invoice__ChangeEvent", id="an object of one's own"),
        pytest.param("Paid__e", "/event/Paid__e", id="a platform event"),
    ],
)
def test_the_name_of_what_is_told_of_stands_for_its_topic(admin, crm, name, topic):
    answer = admin.client.post(where(crm, "choose/"), {"name": name})

    assert answer.status_code == 302
    assert Topic.objects.get().name == topic


@pytest.mark.parametrize(
    ("fields", "state", "says"),
    [
        pytest.param({"lease_until": HOUR, "kept_until": -HOUR}, "heard", "Listening", id="heard"),
        pytest.param(
            {"lease_until": HOUR, "event_at": -HOUR, "lag": 0.25}, "heard", "kept 0.2 s later", id="its lag"
        ),
        pytest.param({}, "idle", "within seconds", id="new"),
        pytest.param({"created_at": -HOUR}, "unheard", "Nobody listens", id="without a listener"),
        pytest.param(
            {"failure": "No right", "failure_code": "topic.meta.permission", "retry_at": HOUR},
            "retrying", "The integration user may not hear this topic. Give it read access", id="refused",
        ),
        pytest.param(
            {"failure": "No right", "created_at": -HOUR, "retry_at": -HOUR}, "unheard", "Nobody listens",
            id="refused, and without a listener since",
        ),
        pytest.param(
            {"stopped": True, "failure": "x", "failure_code": "subscription.fetch.replayid.corrupted"},
            "stopped", "Go on from the earliest", id="stopped",
        ),
        pytest.param(
            {"lease_until": HOUR, "kept_until": -49 * HOUR}, "heard", "older than 48 hours", id="late"
        ),
    ],
)  # fmt: skip
def test_each_topic_says_how_it_stands(reader, crm, fields, state, says):
    now = timezone.now()
    given = {name: now + value if isinstance(value, timedelta) else value for name, value in fields.items()}
    a_topic(crm, **given | ({"lag": timedelta(seconds=fields["lag"])} if "lag" in fields else {}))

    (standing,) = topics.standing(crm, now=timezone.now())

    assert standing.state == state
    assert says in reader.page(f"connections/{crm.public_id}/topics/")


def test_an_alert_tells_of_what_is_not_heard_and_of_old_positions(crm):
    now = timezone.now()
    heard = {"lease_until": now + HOUR}
    a_topic(crm, "/event/Heard__e", kept_until=now, **heard)
    a_topic(crm, "/event/Late__e", kept_until=now - 49 * HOUR, **heard)
    a_topic(crm, "/event/Unheard__e", created_at=now - HOUR)
    a_topic(crm, "/event/Stopped__e", stopped=True)  # a notice of its own has told of it

    told = gather(now=now, memory=Memory()).topics

    assert [one.name for one in told] == [
        f"{crm.name}: /event/Late__e is far behind",
        f"{crm.name}: /event/Unheard__e is not heard",
    ]


@pytest.mark.parametrize(
    ("host", "taken"), [pytest.param("", True, id="here"), pytest.param("far ", False, id="elsewhere")]
)
def test_a_process_that_is_gone_is_followed_before_its_lease_is_over_where_that_can_be_seen(crm, host, taken):
    gone = subprocess.Popen(["true"])
    gone.wait()
    a_topic(
        crm,
        listener=f"{host}{presence.host()}:{gone.pid}",
        lease_owner=f"{presence.boot_id()[:8]}:0",
        lease_until=timezone.now() + HOUR,
    )
    heard = threading.Event()

    Listener(hear=lambda _: heard.set()).turn()

    assert heard.wait(20 if taken else 0) is taken


def test_an_operator_lets_a_stopped_topic_go_on(reader, crm):
    topic = a_topic(crm, stopped=True, replay_id=b"old", failure="x")

    reader.client.post(where(crm, f"{topic.pk}/go-on/"))

    topic.refresh_from_db()
    assert (topic.stopped, topic.from_earliest, bytes(topic.replay_id)) == (False, True, b"")
    assert AuditEntry.objects.get(action="topic.went_on").actor == "otto@acme.test"


def test_a_topic_that_goes_well_keeps_its_position(reader, crm):
    topic = a_topic(crm, replay_id=b"good")

    reader.client.post(where(crm, f"{topic.pk}/go-on/"))

    topic.refresh_from_db()
    assert bytes(topic.replay_id) == b"good"


def test_what_is_dropped_twice_at_once_is_dropped_once_and_does_not_go_on(crm):
    now = timezone.now()
    topic = topics.choose(connection=crm, name="/event/Paid__e", actor="ada", now=now)
    seen = Topic.objects.get(pk=topic.pk)
    polled = missed_changes.poll(connection=crm, object="Account", every=60, actor="ada", now=now)
    for _ in range(2):
        topics.drop(topic=Topic(pk=topic.pk, name=topic.name, connection=crm), actor="ada", now=now)
        missed_changes.poll_no_more(
            polled=PolledObject(pk=polled.pk, object="Account", connection=crm), actor="ada", now=now
        )

    with pytest.raises(Unacceptable, match="no more"):
        topics.go_on(topic=seen, actor="otto", now=now)

    acts = [*AuditEntry.objects.values_list("action", flat=True)]
    assert (acts.count("topic.dropped"), acts.count("object.polled_no_more")) == (1, 1)


def test_stripe_has_no_topics(reader, pair):
    assert reader.client.get(where(pair.stripe)).status_code == 404


def test_rest_lists_chooses_and_drops(client, crm):
    client.force_login(a_person("axel@acme.test", "admin"))
    address = f"/api/v1/connections/{crm.public_id}/topics/"

    made = client.post(address, json.dumps({"name": NAME}), content_type="application/json")
    again = client.post(address, json.dumps({"name": NAME}), content_type="application/json")
    (listed,) = client.get(address).json()
    refused = client.post(f"{address}{listed['id']}/go-on/")
    dropped = client.delete(f"{address}{listed['id']}/")

    assert made.status_code == 201
    assert again.status_code == refused.status_code == 400
    assert (listed["name"], listed["state"], listed["received"]) == (NAME, "idle", 0)
    assert (dropped.status_code, dropped.json()) == (200, [])
    assert AuditEntry.objects.filter(action="topic.dropped").exists()


def test_an_object_that_is_asked_for_is_not_listened_to_as_well(crm):
    now = timezone.now()
    missed_changes.poll(connection=crm, object="Account", every=60, actor="ada", now=now)

    with pytest.raises(Unacceptable, match="asked for"):
        topics.choose(connection=crm, name="/data/AccountChangeEvent", actor="ada", now=now)
