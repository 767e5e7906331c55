"""The navigation says where one is, also on pages that stand below another."""

from __future__ import annotations

import re

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from monitoring import queries
from monitoring.navigation import PLACES
from tests.builders import a_pair, a_person

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("path", "place"),
    [
        pytest.param("dev/connections/{stripe}/missed/", "Connections", id="missed events"),
        pytest.param("dev/connections/{stripe}/webhooks/new/", "Connections", id="a new webhook"),
        pytest.param("dev/connections/{stripe}/rotate/", "Connections", id="new secrets"),
        pytest.param("dev/dead-letters/causes/abc/", "Dead letters", id="one cause"),
        pytest.param("dev/conservation/", "Overview", id="hour by hour"),
        pytest.param("settings/people/new/", "People", id="a new person"),
        pytest.param("settings/tokens/new/", "API tokens", id="a new token"),
    ],
)
def test_a_page_below_another_is_marked_by_it(client: Client, path: str, place: str) -> None:
    cache.clear()
    pair = a_pair()
    client.force_login(a_person("axel@acme.test", "admin"))

    page = client.get("/w/acme/" + path.format(stripe=pair.stripe.public_id)).content.decode()

    marked = re.findall(r'class="side-link"[^>]*aria-current="page".*?</a>', page, re.DOTALL)
    assert [f"<span>{place}</span>" in link for link in marked] == [True]


def test_each_key_leads_to_one_place_and_the_sheet_names_those_that_somebody_may_see(client: Client) -> None:
    cache.clear()
    a_pair()
    keys = [place.key for place in PLACES if place.key]
    client.force_login(a_person("axel@acme.test", "admin"))

    page = client.get("/w/acme/dev/").content.decode()

    named = dict(re.findall(r"<dt>Go to ([^<]+)</dt><dd><kbd>g</kbd><kbd>(.)</kbd>", page))
    led = dict(re.findall(r'data-go="(.)">.*?<span>([^<]+)</span>', page, re.DOTALL))
    assert len(keys) == len(set(keys))
    assert named == {place: key for key, place in led.items()}
    assert {"Merges", "Duplicates", "Anomalies", "API budgets", "Dead letters"} <= set(named)


def test_a_page_learns_of_changes_beyond_999_though_the_number_is_cut(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.clear()
    a_pair()
    client.force_login(a_person("axel@acme.test", "admin"))
    monkeypatch.setattr(queries, "nav_counts", lambda _: {"dead": 1_240})

    page = client.get("/w/acme/dev/dead-letters/").content.decode()

    (number,) = re.findall(r'<span class="count[^>]*id="nav-dead"[^>]*>[^<]*', page)
    assert 'data-count="1240"' in number
    assert number.endswith(">999+")


@pytest.mark.parametrize(
    ("path", "table"),
    [
        pytest.param("", "flows_run", id="the overview"),
        pytest.param("runs/", "flows_run", id="runs"),
        pytest.param("events/", "flows_event", id="events"),
        pytest.param("dead-letters/", "flows_deadletter", id="dead letters"),
        pytest.param("questions/", "flows_review", id="questions"),
        pytest.param("alerts/", "monitoring_alert", id="alerts"),
    ],
)
def test_what_happens_while_a_page_is_made_is_told_to_it(client: Client, path: str, table: str) -> None:
    cache.clear()
    a_pair()
    client.force_login(a_person("axel@acme.test", "admin"))

    with CaptureQueriesContext(connection) as asked:
        client.get(f"/w/acme/dev/{path}", headers={"Accept": "text/html,*/*"})

    def first(name: str) -> int:
        return next(at for at, query in enumerate(asked) if f'FROM "{name}"' in query["sql"])

    assert first("flows_change") < first(table)
    assert sum('FROM "flows_change"' in query["sql"] for query in asked) == 1
