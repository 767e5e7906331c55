"""This module tells how changes of many records go to Stripe, which takes one at a time, so many a second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors import gateway
from flows import context
from flows.models import Run
from tests.journeys.an_org import AnOrg, an_org
from tests.journeys.bridge import Service

CUSTOMERS = "/v1/customers"


@pytest.fixture
def org(services: tuple[Service, Service], transactional_db: None) -> Iterator[AnOrg]:
    with an_org(*services) as found:
        yield found


def test_what_is_read_for_a_change_is_read_a_moment_before_its_write_and_once(
    org: AnOrg, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WORKERS = 1  # who else is there need not be found out
    accounts = [org.create(f"No. {number}") for number in range(5)]
    customers = [org.customer(account, "Old") for account in accounts]
    org.hears()
    org.pair.stripe.configure(requests_per_second=100)
    gateway.forget_all()
    monkeypatch.setattr(context, "GOOD_TIME", 2 / gateway.usual_rate(org.pair.stripe_id))
    for account in accounts:
        org.change("update", id=account, values={"Name": "New"})
    org.kept(5)
    since = org.stripe.look("counts")["last_id"]

    org.work()

    calls = org.stripe.look("journal", path=CUSTOMERS, since=since)["calls"]
    by_two = [*("find",) * 2, *("read",) * 2, *("write",) * 2]
    assert [_kind(call) for call in calls] == [*by_two, *by_two, "find", "read", "write"]
    assert {org.name_of(customer) for customer in customers} == {"New"}
    assert set(Run.objects.values_list("fate", "attempts")) == {("applied", 0)}


def _kind(call: dict[str, Any]) -> str:
    return "write" if call["method"] == "POST" else "find" if call["path"].endswith("/search") else "read"


def test_where_nothing_limits_stripe_all_go_together(org: AnOrg) -> None:
    assert context.fit_together(org.pair.stripe_id) is None
