"""
This module measures what a million handled events change: events/s, pages, and answers while purging.

An empty and a full installation are measured in turn, so that a busy machine slows both.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import requests

from tests.benchmarks import checking, seeding
from tests.benchmarks.asked import Asked, Measured
from tests.benchmarks.calls import Load, put
from tests.benchmarks.databases import a_database
from tests.benchmarks.delivery import endpoint, make_ready
from tests.benchmarks.events import Maker, request
from tests.benchmarks.load import Plan, Sending
from tests.benchmarks.product import Product, a_product
from tests.benchmarks.tables import Figures, Table

RATES = {"rate": ("events/s", ",.0f"), "cpu": ("CPU ms/event", ".3f"), "p99": ("acknowledged p99 ms", ".1f")}
PAGES = {
    "p50": ("p50 ms", ",.0f"),
    "p95": ("p95 ms", ",.0f"),
    "slowest": ("slowest page's p50 ms", ",.0f"),
    "worst": ("worst page's p95 ms", ",.0f"),
}
PURGES = {
    "p50": ("acknowledged p50 ms", ".1f"),
    "p99": ("p99 ms", ".1f"),
    "slowest": ("slowest ms", ",.0f"),
    "emptied": ("events emptied/s", ",.0f"),
    "refused": ("refused", ",.0f"),
}
DAYS = 25.0  # over which the rows are spread; nothing is too old yet
KEPT = 5  # days, once it is to be purged
STEADY = 300.0  # events/s
PURGING = 20.0  # seconds
TIMES = 7  # that each page is asked for in a round: of three rounds, its p95 is not the slowest answer

# Lists and filters, as people put them together; {id} is an event's own id.
ADDRESSES = (
    "", "runs/", "runs/?fate=applied", "runs/?fate=queued", "runs/?fate=dead", "runs/?fate=passed",
    "runs/?type=charge.failed", "runs/?period=24h", "runs/?period=30d&type=charge.failed&fate=passed",
    "runs/?currency=usd", "runs/?currency=chf", "runs/?q=ch_seed777", "runs/?q=nothing",
    "runs/?q=a0B5g00000XyZab", "runs/?q=evt_seed4711&fate=applied&period=30d", "runs/?fate=waiting",
    "runs/?type=invoice.paid&fate=dead", "runs/?since=2020-01-01&until=2020-02-01",
    "runs/?connection=nothing", "runs/?version=1&type=charge.failed&fate=dead", "events/",
    "events/?fate=applied", "events/?fate=passed", "events/?fate=refused", "events/?type=charge.failed",
    "events/?type=invoice.paid", "events/?period=7d", "events/?q=evt_seed4711", "events/?q=nothing",
    "events/?q=seed777", "events/?reason=off", "events/?type=charge.failed&fate=dead&period=30d",
    "events/?became=dead&period=30d", "events/?came=found", "events/?became=superseded&since=2020-01-01",
    "runs/?fate=applied&handled=2020-01-01",
    "dead-letters/", "dead-letters/causes/seed6/", "alerts/", "conservation/",
    "payments/", "payments/?state=unconfirmed", "payments/?state=confirmed&currency=EUR&period=today",
    "questions/", "questions/?show=closed", "questions/?kind=several",
    "links/", "links/?q=ch_seed777", "links/?q=nothing", "links/?state=conflict",
    "links/?currency=eur&since=2020-01-01", "anomalies/", "effects/", "effects/?state=in_doubt",
    "effects/?state=refused", "merges/", "merges/?state=failed", "budgets/",
)  # fmt: skip
RESOURCES = (
    "events/?limit=200", "events/?external_id=evt_seed4711", "events/?object_id=ch_seed777",
    "events/?type=charge.failed", "events/?type=invoice.paid", "events/?fate=superseded", "events/?fate=dead",
    "runs/?limit=200", "runs/?state=dead", "runs/?fate=superseded", "runs/?object_id=ch_seed777",
    "runs/?q=ch_seed777", "runs/?q=nothing", "runs/?type=invoice.paid", "runs/?version=1&currency=chf",
    "events/?q=seed777", "events/?q=nothing",
    "dead-letters/",
)  # fmt: skip


Times = dict[str, list[float]]  # in milliseconds, by page


def measure(asked: Asked) -> Measured:
    """Measure both installations on each database."""
    rates, pages, purges = Table("end to end", RATES), Table("pages", PAGES), Table("while purging", PURGES)
    measured = Measured([rates, pages, purges])
    for kind in asked.kinds:
        empty, full = f"{kind}, empty", f"{kind}, {asked.rows:,} rows"
        taken: dict[str, list[Times]] = {empty: [], full: []}
        with _ready(kind, asked) as fresh, _ready(kind, asked) as grown:
            _fill(grown, asked)
            for number in range(asked.rounds):
                for name, product in ((empty, fresh), (full, grown)):
                    rates.add(name, put(product, Load(f"{number}", asked.events, None)))
                for name, product in ((empty, fresh), (full, grown)):
                    taken[name].append(_pages(product))
                    pages.add(name, pooled(taken[name]))
            for number in range(asked.rounds):
                for name, product in ((empty, fresh), (full, grown)):
                    purges.add(name, _purge(product, f"p{number}"))
                if not purges.figure(full, "emptied"):
                    raise RuntimeError("Nothing was purged, so that this says nothing.")
        rate = rates.figure(full, "rate") / rates.figure(empty, "rate")
        measured.figures |= {
            f"P12.rate.{kind}": rate,
            f"P12.pages.{kind}": pages.figure(full, "p95"),
            f"P12.purge.{kind}": purges.figure(full, "p99"),
        }
    return measured


@contextlib.contextmanager
def _ready(kind: str, asked: Asked) -> Iterator[Product]:
    settings = {"INTEGRATOR_KEEP_EVENTS_DAYS": "60", "INTEGRATOR_KEEP_TRACES_DAYS": "60"}
    with a_database(kind) as database, a_product(database, redis=asked.redis, **settings) as product:
        make_ready(product, latency=asked.latency)
        put(product, Load("w", 50, None))
        yield product


def _fill(product: Product, asked: Asked) -> None:
    """Let the rows of a long time gather, while nothing runs."""
    for name in ("work", "serve"):
        product.processes.pop(name).stop()
    begun = time.monotonic()
    seeding.fill(product.database, asked.rows, days=DAYS)
    print(f"  {product.database.kind}: {asked.rows:,} rows in {time.monotonic() - begun:.0f} s", flush=True)
    product.serve()
    product.work()
    product.wait_until_ready()


def _pages(product: Product) -> Times:
    """
    Ask for each list several times and return how long each took, in milliseconds.

    :raises RuntimeError: if one does not answer 200
    """
    visitor, place = _signed_in(product)
    token = {"Authorization": f"Bearer {product.made['token']}"}
    api = f"http://127.0.0.1:{product.port}/api/v1/"
    asked = [(place, one, {}) for one in ADDRESSES] + [(api, one, token) for one in RESOURCES]
    taken: Times = {}
    for _, (begin, address, headers) in itertools.product(range(TIMES), asked):
        begun = time.perf_counter()
        answer = visitor.get(begin + address, headers=headers, timeout=60)
        shown = f"/api/v1/{address}" if headers else f"/{address}"
        taken.setdefault(shown, []).append(1_000 * (time.perf_counter() - begun))
        if answer.status_code != 200:
            last = product.log("serve")[-2000:]
            raise RuntimeError(f"{begin}{address} answered {answer.status_code}: {last}")
    return taken


def pooled(rounds: Sequence[Times]) -> Figures:
    """
    Return the times of all pages together in the last of `rounds`, and of the worst page by itself in all.

    The pooled p95 hides one page that is slow each time; the worst page's own does not.
    """
    last, whole = rounds[-1], _joined(rounds)
    every = list(itertools.chain.from_iterable(last.values()))
    slowest = max(last, key=lambda page: rank(last[page], 0.5))
    worst = max(whole, key=lambda page: rank(whole[page], 0.95))
    for words, page, times in (("slowest", slowest, last[slowest]), ("worst p95", worst, whole[worst])):
        print(f"  {words}: {page}: {[round(ms) for ms in times]} ms")
    return {
        "p50": rank(every, 0.5),
        "p95": rank(every, 0.95),
        "slowest": rank(last[slowest], 0.5),
        "worst": rank(whole[worst], 0.95),
    }


def _joined(rounds: Sequence[Times]) -> Times:
    whole: Times = {}
    for page, times in itertools.chain.from_iterable(taken.items() for taken in rounds):
        whole.setdefault(page, []).extend(times)
    return whole


def rank(times: Sequence[float], part: float) -> float:
    """Return the time within which a part of all were answered: the nearest rank, which is one of them."""
    return sorted(times)[max(0, math.ceil(part * len(times)) - 1)]


def _signed_in(product: Product) -> tuple[requests.Session, str]:
    """Return a signed-in browser of sorts, and where its pages begin."""
    visitor = requests.Session()
    entrance = f"http://127.0.0.1:{product.port}/accounts/login/"
    form = visitor.get(entrance, timeout=60).text
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert found is not None
    known = product.made["administrator"]
    data = {"csrfmiddlewaretoken": found[1], "login": known["email"], "password": known["password"]}
    visitor.post(entrance, data=data, headers={"Referer": entrance}, timeout=60)
    return visitor, str(product.made["address"])


def _purge(product: Product, prefix: str) -> Figures:
    """Send events at a steady rate while the purge runs, and return how their acknowledgements fared."""
    path, secret = endpoint(product)
    maker = Maker(prefix=prefix)
    sent = [
        request(maker.make(number, 2), path=path, secret=secret) for number in range(int(STEADY * PURGING))
    ]
    emptied = product.database.count("flows_event", "purged_at IS NOT NULL")
    # Traces go with the contents of their events; were they due as well, the time would be over before these.
    purge = product.start("purge", "purge", INTEGRATOR_KEEP_EVENTS_DAYS=str(KEPT))
    sending = Sending(replace(Plan(product.port, sent), rate=STEADY, seconds=PURGING + 30))
    report = sending.report()
    purge.kill()
    product.processes.pop("purge")
    checking.wait_until_drained(product, within=180)
    emptied = product.database.count("flows_event", "purged_at IS NOT NULL") - emptied
    return {
        "p50": report.latency(0.5),
        "p99": report.latency(0.99),
        "slowest": report.latency(1.0),
        "emptied": emptied / report.seconds,
        "refused": report.broken + sum(count for code, count in report.statuses.items() if code != 200),
    }
