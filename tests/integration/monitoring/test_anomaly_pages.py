"""Each anomaly leads to its own time, with its onset, and to the runs and events that it is about."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from flows.models import Deployment
from monitoring import anomalies, detection
from monitoring.models import Anomaly, FlowBin, FlowSeries, Series, SeriesBin
from tests.builders import NOON, a_pair, a_person
from tests.integration.flows.given import a_charge, a_live_flow, an_event
from tests.integration.monitoring.watched import BIN, an_outage, runs, usual, watch

pytestmark = pytest.mark.django_db

# Three days ago: the last 24 hours do not reach so far, what was measured is kept still.
BEGAN = anomalies.floor(timezone.now()) - timedelta(days=3)


@pytest.fixture
def live(client: Client) -> Deployment:
    cache.clear()
    deployment = a_live_flow(a_pair())
    Series.objects.create(connection=deployment.pair.stripe, seen_until=BEGAN)
    client.force_login(a_person("otto@acme.test", "operator"))
    return deployment


def charges(live: Deployment, at: datetime, number: int) -> None:
    SeriesBin.objects.create(
        series=live.pair.stripe.series, starts_at=at, charges=number, failed=0, expected=10, lo=3, hi=17
    )


def an_anomaly(live: Deployment, kind: str = "outage", metric: str = "charges", **fields: Any) -> Anomaly:
    found = detection.Alert(metric, kind, -6.0, 0.0, 20.0, 8.0, 32.0, "No charges came where 20 are usual.")
    values = {"began_at": BEGAN, "ended_at": BEGAN + timedelta(minutes=40)}
    one = Anomaly.of(live.pair.stripe.series, found, **(values | fields))
    one.save()
    return one


def page_of(client: Client, anomaly: Anomaly) -> str:
    answer = client.get(f"/w/acme/dev/anomalies/{anomaly.public_id}/")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def said(page: str) -> str:
    """Return what is read aloud of the chart."""
    told = re.search(r'id="chart-says">(.*?)</p>', page)
    assert told
    return re.sub("<.*?>", "", told[1])


def ways(page: str) -> dict[str, str]:
    """Return where the page leads to look, by the words of its links."""
    part = page[page.index('id="ways"') :]
    found = re.findall(r'<li><a href="([^"]*)">(.*?)</a>', part)
    return {words: unescape(address) for address, words in found}


def test_an_old_anomaly_has_its_own_time_with_its_onset(live: Deployment, client: Client) -> None:
    one = an_anomaly(live)
    for number in range(-72, 20):
        charges(live, BEGAN + number * BIN, 0 if 0 <= number < 8 else 11)

    page = page_of(client, one)

    # Six hours before, forty minutes of it and one hour after are 460 minutes, drawn 600 wide.
    assert re.search(r'<line class="onset" x1="469.6" x2="469.6"', page)
    assert re.search(r'<rect class="lasts" x="469.6" width="52.2"', page)
    assert 'aria-describedby="chart-says"' in page
    assert said(page).startswith("It began to show at ")
    assert "0 charges in those five minutes, where 3 to 17 would pass for usual." in said(page)
    assert "From then until it was over it was 0 charges, about 80 expected." in said(page)
    points = re.search(r'<path class="line counted" d="M[^L]*L([^"]*)"', page)
    assert points
    assert len(points[1].split()) == 72 + 20 - 1  # from the first one on
    assert len(re.findall(r'<tr data-x="', page)) == 72 + 20
    assert '<th scope="col" class="num">Measured</th>' in page
    assert f"?series={live.pair.stripe.public_id}&amp;metric=charges#series-name" in page


def test_a_flows_anomaly_shows_its_own_runs(live: Deployment, client: Client) -> None:
    watched = watch(live)
    one = an_anomaly(live, "run_error_surge", "run_errors", flow_series=watched)
    FlowBin.objects.create(flow_series=watched, starts_at=BEGAN, measured={"run_errors": [7, 0.1, 0, 2]})
    ill = runs(live, BEGAN + timedelta(minutes=1), 1, state="dead", fate="dead")[0]
    well = runs(live, BEGAN + timedelta(minutes=1), 1)[0]
    later = runs(live, BEGAN + timedelta(hours=2), 1, state="dead", fate="dead")[0]

    page = page_of(client, one)
    found = ways(page)
    dead = client.get(found["Its dead letters of that time"]).content.decode()
    every = client.get(found["Its runs of that time"]).content.decode()

    assert "7 failed runs in those five minutes, where 0 to 2 would pass for usual." in said(page)
    assert [run.public_id in dead for run in (ill, well, later)] == [True, False, False]
    assert [run.public_id in every for run in (ill, well, later)] == [True, True, False]


@pytest.mark.parametrize(
    "case",
    [
        ("failed_spike", "failed", "Failed charges of that time", "type=charge.failed"),
        ("refund_surge", "refunds", "Refunds of that time", "type=charge.refunded"),
        ("outage", "charges", "Events of that time", "connection="),
        ("call_error_surge", "call_errors", "Dead letters of events of Stripe", "fate=dead"),
        ("latency_rise", "call_ms", "Runs of events of Salesforce", "connection="),
    ],
)
def test_an_anomaly_leads_to_what_it_is_about(
    live: Deployment, client: Client, case: tuple[str, str, str, str]
) -> None:
    kind, metric, words, narrowed = case
    address = ways(page_of(client, an_anomaly(live, kind, metric)))[words]

    assert narrowed in address
    assert urlencode({"since": f"{BEGAN - timedelta(hours=1):%Y-%m-%dT%H:%M}"}) in address
    assert urlencode({"until": f"{BEGAN + timedelta(minutes=41):%Y-%m-%dT%H:%M}"}) in address
    assert client.get(address).status_code == 200


def test_what_goes_on_is_shown_up_to_now_and_an_older_one_says_that_it_is_not_kept(
    live: Deployment, client: Client
) -> None:
    now = anomalies.floor(timezone.now())
    charges(live, now - BIN, 2)
    going_on = page_of(client, an_anomaly(live, began_at=now - BIN, ended_at=None))
    old = page_of(client, an_anomaly(live))

    assert "From then until now it was 2 charges" in said(going_on)
    lasts = re.search(r'<rect class="lasts" x="([\d.]+)" width="([\d.]+)"', going_on)
    assert lasts
    assert abs(float(lasts[1]) + float(lasts[2]) - 600) < 0.2, "up to the right edge, which is now"
    assert "From then until now it was 2 charges" in said(going_on)
    assert "until=" not in str(ways(going_on))
    assert "not kept any more" in old


def test_an_amount_is_put_beside_what_its_customer_usually_pays(live: Deployment, client: Client) -> None:
    Series.objects.update(state=usual(detection.CONNECTION), seen_until=NOON)
    for number in range(6):
        pays(live, NOON + number * timedelta(seconds=10), 2000)
    told = pays(live, NOON + timedelta(minutes=2), 250_000, id="ch_big")
    anomalies.observe(connection=live.pair.stripe, now=NOON + timedelta(minutes=8))

    one = Anomaly.objects.get(kind="amount_outlier")
    page = page_of(client, one)

    assert (one.object_id, one.currency) == ("ch_big", "EUR")
    assert '<strong class="tabular">€2,500.00</strong>, 125 times the usual amount' in page
    assert "about €20.00" in page
    assert f'href="/w/acme/dev/events/{told}/"' in page
    assert '<svg class="chart' not in page


def pays(live: Deployment, at: datetime, amount: int, **fields: Any) -> int:
    charge = a_charge(amount=amount, **({"customer": "cus_1"} | fields))
    return an_event(live.pair.stripe, charge, created=int(at.timestamp()), received_at=at).pk


def test_the_list_is_narrowed_by_the_address_and_leads_to_each(live: Deployment, client: Client) -> None:
    over = an_anomaly(live)
    going_on = an_anomaly(live, ended_at=None)

    def listed(query: str) -> list[bool]:
        page = client.get(f"/w/acme/dev/anomalies/{query}").content.decode()
        return [f'href="/w/acme/dev/anomalies/{one.public_id}/"' in page for one in (over, going_on)]

    assert listed("") == [True, True]
    assert listed("?show=open") == [False, True]
    assert listed("?show=over") == [True, False]
    assert listed("?show=nonsense") == [True, True]


def test_its_page_takes_decisions_and_stays(live: Deployment, client: Client) -> None:
    one = an_anomaly(live, ended_at=None)
    address = f"/w/acme/dev/anomalies/{one.public_id}/"

    answer = client.post(f"{address}acknowledge/", {"from": "page"})

    assert (answer.status_code, answer["Location"]) == (302, address)
    assert "otto@acme.test takes care of it" in page_of(client, one)


def test_what_comes_of_an_outage_says_so(live: Deployment, client: Client) -> None:
    alert = an_outage(live.pair.salesforce, BEGAN, over=BEGAN + timedelta(minutes=30))
    watched: FlowSeries = watch(live)
    one = an_anomaly(live, "run_lag", "run_s", flow_series=watched, under=alert)

    assert "comes of" in page_of(client, one)
    assert f'?show=over#entry-{alert.public_id}">Salesforce does not answer</a>' in page_of(client, one)
    assert one.reason in client.get("/w/acme/dev/alerts/?show=over").content.decode()
