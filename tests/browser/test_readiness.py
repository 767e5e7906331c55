"""The list of checks is shown in the page, fits every window, and says so without colours too."""

from __future__ import annotations

from typing import Any

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Page, Route, expect

from connectors.checks import Check, State
from connectors.readiness import Readiness
from tests.browser.conftest import Theatre
from tests.browser.looking import Watch, findings, overflow
from tests.browser.rows import HOSTILE

pytestmark = pytest.mark.browser

# Long names without a place to break, a hostile text, and enough of everything to fill a page.
FOUND = Readiness(
    (
        Check("Login", "Salesforce answers", State.OK, "integration@acme.test is logged in."),
        Check(
            "Objects and fields",
            f"Payment{'_Unbreakable' * 12}__c is not there",
            State.PROBLEM,
            HOSTILE,
            HOSTILE,
        ),
        Check(
            "Objects and fields", "Task is not there", State.WARNING, "Only flows that create tasks need it."
        ),
        *(
            Check("Objects and fields", f"Object_{n}__c is there", State.OK, f"{n} fields.")
            for n in range(20)
        ),
    )
)


def test_a_connection_that_nobody_answers_says_what_to_do(page: Page, theatre: Theatre, watch: Watch) -> None:
    watch.over(page)
    page.goto(theatre.at(f"connections/{theatre.ids['salesforce']}/"))

    page.get_by_role("button", name="Check readiness").click()

    found = page.locator("#readiness")
    expect(found.get_by_role("heading", name="Not ready yet")).to_be_visible()
    expect(found).to_contain_text("1 to put right")
    expect(found.get_by_text("To put right:")).to_have_count(1)
    expect(page.locator("#looking")).to_be_hidden()
    assert watch.complaints == []


@pytest.mark.parametrize("width", [pytest.param(1280, id="a laptop"), pytest.param(390, id="a phone")])
def test_a_long_list_fits_and_is_accessible(
    browser: Browser, theatre: Theatre, signed_in: Any, watch: Watch, width: int
) -> None:
    context = browser.new_context(
        storage_state=signed_in, viewport={"width": width, "height": 844}, reduced_motion="reduce"
    )
    page = context.new_page()
    watch.over(page)
    body = render_to_string("connectors/_readiness.html", {"readiness": FOUND})

    def answer(route: Route) -> None:
        route.fulfill(content_type="text/html; charset=utf-8", body=body)

    page.route("**/readiness/", answer)
    page.goto(theatre.at(f"connections/{theatre.ids['salesforce']}/"))
    page.get_by_role("button", name="Check readiness").click()
    expect(page.get_by_role("heading", name="Not ready yet")).to_be_visible()

    wrong = [overflow(page)] if overflow(page) > 0 else []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        wrong += findings(page)
    wrong += watch.complaints
    context.close()

    assert wrong == []
