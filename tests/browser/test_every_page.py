"""Every page fits its window, in light and dark, and axe finds nothing against WCAG 2.2 AA."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Theatre
from tests.browser.looking import OF_COLOURS, Watch, clipped, crowded, findings, overflow, resized

pytestmark = pytest.mark.browser

WORKSPACE = "../settings/"
WIDTHS = (1280, 1024, 390)  # a laptop, a small one, a phone
PARTS = 3  # so that not one process has to look at all of them


def addresses(theatre: Theatre) -> Iterator[str]:
    """Yield every page that a person can come to, full ones first and empty ones after."""
    ids = theatre.ids
    for path in (
        "",
        "alerts/",
        "alerts/?show=over",
        "anomalies/",
        "anomalies/known/",
        "conservation/",
        "payments/",
        "payments/?state=unconfirmed&currency=EUR&period=today",
        "runs/",
        "runs/?fate=dead&q=nothing-has-this-id",
        f"runs/{ids['applied']}/",
        f"runs/{ids['hostile']}/",
        f"runs/{ids['retrying']}/",
        "dead-letters/",
        "dead-letters/?q=nothing-fits&error_class=data",
        "dead-letters/fixes/",
        f"dead-letters/causes/{ids['fingerprint']}/",
        "questions/",
        "questions/?show=closed",
        f"questions/{ids['several']}/",
        f"questions/{ids['hostile_question']}/",
        f"questions/{ids['doubt']}/",
        f"questions/{ids['duplicate']}/",
        f"questions/{ids['conflict']}/",
        "links/",
        f"questions/{ids['refused']}/",
        f"questions/{ids['contradicted']}/",
        f"links/{ids['conflicting']}/",
        f"links/{ids['linked']}/",
        f"questions/{ids['closed']}/",
        f"runs/{ids['waiting']}/",
        "effects/",
        "effects/?state=skipped",
        "duplicates/",
        "duplicates/wrong/",
        "merges/",
        "merges/new/",
        f"merges/{ids['merge']}/",
        f"merges/{ids['merge_done']}/",
        f"merges/{ids['merge_failed']}/",
        "budgets/?all",
        f"budgets/{ids['salesforce']}/?flow={ids['flow']}&volume=9&reads=0&writes=0&most=200&gathered=1",
        "rates/",
        "rates/new/",
        "rates/table/",
        "events/",
        f"events/{ids['event']}/",
        f"events/{ids['unreadable']}/",
        "flows/",
        f"flows/{ids['flow']}/",
        f"flows/{ids['flow']}/try/",
        "flows/templates/",
        "impact/",
        "connections/",
        f"connections/{ids['stripe']}/",
        f"connections/{ids['stripe']}/missed/",
        f"connections/{ids['salesforce']}/",
        f"connections/{ids['salesforce']}/topics/",
        f"connections/{ids['salesforce']}/changes/",
        "connections/new/stripe/",
        "connections/new/salesforce/",
        f"connections/{ids['salesforce']}/rotate/",
        f"connections/{ids['stripe']}/webhooks/new/",
        f"{WORKSPACE}people/",
        f"{WORKSPACE}tokens/",
        f"{WORKSPACE}audit/",
        f"{WORKSPACE}workspace/",
        f"{WORKSPACE}status/",
    ):
        yield theatre.at(path)
    for path in (
        "",
        "alerts/",
        "conservation/",
        "payments/",
        "runs/",
        "dead-letters/",
        "questions/",
        "questions/?show=closed",
        "effects/",
        "events/",
        "flows/",
        "impact/",
        "connections/",
    ):
        yield theatre.at(path, environment="qa")
    yield theatre.at("flows/", environment="production")
    yield theatre.at(f"flows/{ids['flow']}/", environment="production")
    yield theatre.at("", environment="production")
    yield f"{theatre.web}/accounts/login/"
    yield f"{theatre.web}/accounts/sessions/"


def looked(page: Page, width: int) -> list[str]:
    """Return what is wrong with the open page at a width."""
    resized(page, width)
    page.emulate_media(color_scheme="light")
    found = [*clipped(page), *crowded(page), *(["too wide"] if overflow(page) > 0 else [])]
    if width != 1024:  # what axe finds depends on the layout, and two are enough
        found += findings(page)
    if width == 1280:  # colours are the same at every width
        page.emulate_media(color_scheme="dark")
        found += findings(page, OF_COLOURS)
    return [f"{width}: {said}" for said in found]


@pytest.mark.timeout(300)  # some twenty pages at three widths, and a machine that may be busy
@pytest.mark.parametrize("part", range(PARTS))
def test_every_page_fits_and_is_accessible(
    browser: Browser, theatre: Theatre, signed_in: Any, part: int
) -> None:
    context = browser.new_context(storage_state=signed_in, reduced_motion="reduce")
    page, watch = context.new_page(), Watch()
    watch.over(page)
    wrong: dict[str, Any] = {}

    for address in list(addresses(theatre))[part::PARTS]:
        answer = page.goto(address)
        assert answer is not None
        assert answer.ok, address
        found = [said for width in WIDTHS for said in looked(page, width)]
        if found or watch.complaints:
            wrong[address] = [*found, *watch.complaints]
            watch.complaints.clear()

    context.close()
    assert wrong == {}
