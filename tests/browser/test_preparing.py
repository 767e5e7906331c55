"""What an org lacks is listed, checked and deployed on one page, whose token field is never filled again."""

from __future__ import annotations

from typing import Any

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Route, expect

from connectors.models import Connection
from connectors.org_deployment import Line, Progress
from connectors.salesforce.package.choosing import Choice, Component, State
from connectors.salesforce.package.rights import Rights
from flows.preparing import Listing
from tests.browser.conftest import Theatre
from tests.browser.looking import Watch, findings, overflow
from tests.browser.rows import HOSTILE
from tests.builders import NOON

pytestmark = pytest.mark.browser

TOKEN = "00D000000000001!AQ" + "x" * 40
LONG = f"Payment{'_Unbreakable' * 12}__c"
LISTING = Listing(
    flows=["Payments"],
    choice=Choice(
        (
            Component("CustomObject", LONG, State.NEW, ("Payments",)),
            Component(
                "CustomField", f"{LONG}.Amount__c", State.NEW, ("Payments",), about=f"{LONG}.Amount__c"
            ),
            Component(
                "CustomField", "Account.Own__c", State.ELSEWHERE, (HOSTILE,), HOSTILE, "Account.Own__c"
            ),
            Component("Flow", "Stripe_Dunning", State.UNKNOWN, ("Payments",), "The org does not tell."),
            Component("CustomObject", "Account", State.THERE, ("Payments",)),
        ),
        Rights(),
    ),
    at=NOON,
)
CHECKED = Progress(
    "checked",
    "The org would take it",
    "Nothing has been changed so far.",
    "ticket-1",
    lines=(
        Line("CustomObject", LONG, "created"),
        Line("PermissionSet", "Stripe_Integration_Flows", "changed"),
    ),
)
DEPLOYED = Progress("deployed", "The org has what the flows need", lines=CHECKED.lines)


def test_an_org_is_prepared_on_a_laptop_and_a_phone(
    browser: Browser, theatre: Theatre, signed_in: Any, watch: Watch
) -> None:
    context = browser.new_context(
        storage_state=signed_in, viewport={"width": 1280, "height": 844}, reduced_motion="reduce"
    )
    page = context.new_page()
    watch.over(page)
    place = {
        "connection": Connection(public_id=theatre.ids["salesforce"], pinned_account="00D000000000001AAA"),
        "workspace": {"slug": "acme"},
        "environment": {"slug": "dev"},
    }
    sent: list[tuple[str, str]] = []

    def answer(template: str, **context: Any) -> Any:
        body = render_to_string(f"flows/{template}.html", {**place, **context})

        def fulfil(route: Route) -> None:
            sent.append((route.request.url.rstrip("/").rpartition("/")[2], route.request.post_data or ""))
            route.fulfill(content_type="text/html; charset=utf-8", body=body)

        return fulfil

    page.route("**/org/compare/", answer("_org_listing", listing=LISTING))
    page.route("**/org/check/", answer("_org_progress", progress=CHECKED))
    page.route("**/org/deploy/", answer("_org_progress", progress=DEPLOYED))
    page.goto(theatre.at(f"connections/{theatre.ids['salesforce']}/org/"))
    page.get_by_role("button", name="Compare with the org").click()
    page.get_by_label("Access token of an administrator").fill(TOKEN)
    page.get_by_role("button", name="Check first").click()
    expect(page.get_by_text("The org would take it")).to_be_visible()

    wrong: list[Any] = []
    for width, scheme in ((1280, "light"), (390, "dark")):
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its literals
        wrong += [f"{width}: {overflow(page)}"] if overflow(page) > 0 else []
        wrong += findings(page)
    page.get_by_role("button", name="Deploy to").click()
    expect(page.get_by_text("The org has what the flows need")).to_be_visible()
    content = page.content()
    wrong += watch.complaints
    context.close()

    assert wrong == []
    acts = dict(sent)
    assert list(acts) == ["compare", "check", "deploy"]
    assert TOKEN.rpartition("!")[2] in acts["check"]
    assert "ticket-1" in acts["deploy"]
    assert TOKEN not in content
