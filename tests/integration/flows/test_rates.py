"""This module tests exchange rates: added all or none, never changed silently, and what waited goes on."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from flows import rates
from flows.lanes import WorkerLease
from flows.models import ExchangeRate, Pair, Run
from flows.rate_lines import Given, Unacceptable
from integrator.accounts.models import AuditEntry, Workspace
from tests.builders import a_person, a_workspace
from tests.integration.flows.given import a_charge, a_worker, an_event
from tests.integration.flows.reading import Reader
from tests.integration.flows.two_systems import (
    TwoSystems,
    a_deployed_flow,
    work_until_quiet,
)

pytestmark = pytest.mark.django_db

CONVERT: dict[str, Any] = {
    "id": "convert",
    "kind": "currency.convert",
    "settings": {"amount": ["charge.amount"], "currency": ["charge.currency"], "into": "EUR"},
}


@pytest.fixture
def workspace(db: None) -> Workspace:
    return a_workspace()


@pytest.fixture
def finance(client: Client, workspace: Workspace) -> Reader:
    return Reader(client, a_person("fina@acme.test", "finance"))


def today() -> str:
    return timezone.now().date().isoformat()


def a_rate(line: int = 1, **fields: str) -> Given:
    """Return a rate of today."""
    said = {"base": "USD", "quote": "EUR", "day": today(), "rate": "0.9273", "source": "ECB"}
    return Given(line=line, **(said | fields))


def keep(workspace: Workspace, *given: Given, reason: str = "") -> rates.Kept:
    return rates.keep(workspace=workspace, given=given, reason=reason, actor="fina", now=timezone.now())


def kept() -> list[tuple[str, str, Decimal]]:
    return list(ExchangeRate.objects.order_by("id").values_list("base", "source", "rate"))


# Keeping


def test_rates_are_added_and_stand_in_the_audit_trail(workspace: Workspace) -> None:
    done = keep(workspace, a_rate(), a_rate(2, base="gbp", rate="1.142857142857"))

    assert done == rates.Kept(added=2, replaced=0, unchanged=0)
    assert kept() == [("USD", "ECB", Decimal("0.9273")), ("GBP", "ECB", Decimal("1.142857142857"))]
    entry = AuditEntry.objects.get(action="rate.added")
    assert (entry.actor, entry.target) == ("fina", "2 exchange rates")
    assert entry.details["rates"][0] == f"USD/EUR of {today()}: 0.9273 (ECB)"


def test_of_many_rates_all_are_added_or_none(workspace: Workspace) -> None:
    with pytest.raises(Unacceptable, match="Line 2, rate"):
        keep(workspace, a_rate(), a_rate(2, base="GBP", rate="1,14"))

    assert kept() == []
    assert not AuditEntry.objects.filter(action__startswith="rate.").exists()


def test_a_rate_that_is_there_as_it_is_given_stays_as_it_is(workspace: Workspace) -> None:
    keep(workspace, a_rate())

    assert keep(workspace, a_rate(rate="0.92730")) == rates.Kept(added=0, replaced=0, unchanged=1)
    assert AuditEntry.objects.filter(action__startswith="rate.").count() == 1


@pytest.mark.parametrize("other", [{"rate": "0.93"}, {"source": "our bank"}])
def test_a_rate_is_replaced_only_with_a_reason(workspace: Workspace, other: dict[str, str]) -> None:
    keep(workspace, a_rate())
    with pytest.raises(rates.ReasonNeeded, match="USD/EUR"):
        keep(workspace, a_rate(**other), a_rate(2, base="GBP"), reason=" ")
    assert kept() == [("USD", "ECB", Decimal("0.9273"))]

    done = keep(workspace, a_rate(**other), a_rate(2, base="GBP"), reason="Mistyped")

    assert done == rates.Kept(added=1, replaced=1, unchanged=0)
    entry = AuditEntry.objects.get(action="rate.replaced")
    assert entry.details["reason"] == "Mistyped"
    assert "before 0.9273 (ECB, entered by fina)" in entry.details["rates"][0]


def test_rates_of_another_workspace_are_others(workspace: Workspace) -> None:
    keep(workspace, a_rate())

    assert keep(a_workspace("globex"), a_rate(rate="2")).added == 1
    assert ExchangeRate.objects.get(workspace=workspace).rate == Decimal("0.9273")


# What waited


def a_charge_of(pair: Pair, currency: str) -> None:
    now = timezone.now()
    an_event(pair.stripe, a_charge(currency=currency), received_at=now, created=int(now.timestamp()))


def test_a_run_that_waited_for_the_rate_goes_on_at_once(pair: Pair, systems: TwoSystems) -> None:
    a_deployed_flow(pair, [CONVERT])
    worker: WorkerLease = a_worker()
    for currency in ("usd", "gbp"):
        a_charge_of(pair, currency)
    work_until_quiet(worker)
    waiting = dict(Run.objects.values_list("currency", "reason"))
    assert all("There is no rate from" in reason for reason in waiting.values())

    root = Run.objects.select_related("event").get(reason__contains="USD")
    systems.objects[root.lane.key.removeprefix("stripe:")] = {
        "id": root.lane.key.removeprefix("stripe:"),
        "object": "payment_intent",
        "latest_charge": a_charge(currency="usd"),
    }
    keep(pair.environment.workspace, a_rate())
    work_until_quiet(worker)

    root.refresh_from_db()
    assert root.state == "done"
    other = Run.objects.get(reason__contains="GBP")
    assert other.state == "ready"
    assert other.next_attempt_at is not None
    assert other.next_attempt_at > timezone.now() + timedelta(minutes=30)


def test_runs_of_another_workspace_go_on_waiting(pair: Pair, systems: TwoSystems) -> None:
    a_deployed_flow(pair, [CONVERT])
    a_charge_of(pair, "usd")
    work_until_quiet(a_worker())
    before = Run.objects.values_list("next_attempt_at").get()

    keep(a_workspace("globex"), a_rate())

    assert Run.objects.values_list("next_attempt_at").get() == before


def test_rates_of_many_currencies_let_everything_go_on_that_waits_for_one(
    pair: Pair, systems: TwoSystems
) -> None:
    a_deployed_flow(pair, [CONVERT])
    a_charge_of(pair, "usd")
    work_until_quiet(a_worker())
    codes = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD"
    more = "CDF CHF CNY COP CRC CVE CZK DKK DOP DZD EGP ETB FJD FKP GBP GEL USD"
    given = [a_rate(n, base=code) for n, code in enumerate([*codes.split(), *more.split()], 1)]
    assert len(given) > rates.MOST_PAIRS

    keep(pair.environment.workspace, *given)

    due = Run.objects.values_list("next_attempt_at", flat=True).get()
    assert due is not None
    assert due <= timezone.now()


# Pages


def test_the_list_shows_the_newest_day_first_and_only_what_is_asked_for(
    reader: Reader, workspace: Workspace
) -> None:
    old = (timezone.now().date() - timedelta(days=3)).isoformat()
    keep(workspace, a_rate(day=old, rate="0.5"), a_rate(2), a_rate(3, base="GBP", quote="JPY", rate="190"))

    page = reader.page("rates/")
    assert page.index("0.9273") < page.index("<strong>0.5</strong>")
    assert "190" not in reader.page("rates/", currency="usd")
    assert "190" in reader.page("rates/", currency="JPY")
    assert "0.9273" not in reader.page("rates/", until=old)
    assert "No rate fits" in reader.page("rates/", currency="CHF")
    for nonsense in ("x", "2026-02-31", "0001-01-01"):
        reader.page("rates/", until=nonsense)


def test_days_beyond_a_page_are_behind_a_link(reader: Reader, workspace: Workspace) -> None:
    first = date(2026, 1, 1)
    keep(workspace, *(a_rate(n + 1, day=(first + timedelta(days=n)).isoformat()) for n in range(40)))

    assert 'href="/w/acme/dev/rates/?until=2026-01-09"' in reader.page("rates/")
    assert "Older" not in reader.page("rates/", until="2026-01-09")


def test_finance_adds_a_rate(finance: Reader) -> None:
    form = {"base": "usd", "quote": "eur", "day": today(), "rate": "0.9273", "source": "ECB"}

    answer = finance.client.post("/w/acme/dev/rates/new/", form, follow=True)

    assert "1 rate added. Runs that waited for them go on." in answer.content.decode()
    assert kept() == [("USD", "ECB", Decimal("0.9273"))]


def test_a_mistake_is_told_beside_its_field_and_a_replacement_asks_for_its_reason(finance: Reader) -> None:
    form = {"base": "USD", "quote": "EUR", "day": today(), "rate": "0,9273", "source": "ECB"}
    wrong = finance.client.post("/w/acme/dev/rates/new/", form)
    keep(Workspace.objects.get(), a_rate())
    other = finance.client.post("/w/acme/dev/rates/new/", form | {"rate": "0.93"})
    done = finance.client.post("/w/acme/dev/rates/new/", form | {"rate": "0.93", "reason": "Mistyped"})

    assert wrong.status_code == other.status_code == 422
    assert "Write it with a point" in wrong.content.decode()
    assert "is there with another value. Say why to replace it." in other.content.decode()
    assert done.status_code == 302
    assert kept() == [("USD", "ECB", Decimal("0.93"))]


@pytest.mark.parametrize("how", ["pasted", "as a file"])
def test_a_table_is_taken(finance: Reader, how: str) -> None:
    text = f"base;quote;day;rate;source\nUSD;EUR;{today()};0.9273;ECB\nGBP;EUR;{today()};1.14;ECB"
    form: dict[str, Any] = {"table": text} if how == "pasted" else {
        "file": SimpleUploadedFile("rates.csv", text.encode("utf-8-sig"))
    }  # fmt: skip

    answer = finance.client.post("/w/acme/dev/rates/table/", form, follow=True)

    assert "2 rates added" in answer.content.decode()
    assert len(kept()) == 2


@pytest.mark.parametrize(
    ("form", "told"),
    [
        pytest.param({}, "Paste the rates, or choose a file", id="nothing"),
        pytest.param({"table": "x,y"}, "Line 1: It has 2 columns", id="other columns"),
        pytest.param({"table": "USD,EUR,24.11.,1,ECB"}, "Line 1, day:", id="a day"),
        pytest.param({"file": SimpleUploadedFile("x.csv", b"\xff\xfe\x00")}, "not text in UTF-8", id="bytes"),
    ],
)
def test_a_table_that_cannot_be_taken_says_why(finance: Reader, form: dict[str, Any], told: str) -> None:
    answer = finance.client.post("/w/acme/dev/rates/table/", form)

    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert kept() == []


def test_of_many_mistakes_as_many_are_told_as_anybody_reads(finance: Reader) -> None:
    answer = finance.client.post("/w/acme/dev/rates/table/", {"table": "USD,EUR,x,1,ECB\n" * 50})

    assert "And 30 more." in answer.content.decode()


def test_a_role_in_one_environment_sees_the_rates_and_changes_none(
    client: Client, workspace: Workspace
) -> None:
    fina = a_person("fina@acme.test", None)
    dev = workspace.environments.get(slug="dev")
    fina.memberships.create(workspace=workspace, environment=dev, role="finance")
    reader = Reader(client, fina)
    form = {"base": "USD", "quote": "EUR", "day": today(), "rate": "1", "source": "ECB"}

    assert "Add the first rate" not in reader.page("rates/")
    assert client.post("/w/acme/dev/rates/new/", form).status_code == 403
    assert client.post("/w/acme/dev/rates/table/", {"table": "x"}).status_code == 403
    assert kept() == []
