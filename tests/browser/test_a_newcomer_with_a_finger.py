"""On a tablet a newcomer maps with a finger: what suggestions know, what a step before found, and a list."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looking import findings, overflow

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("town")]  # whose servers take half a minute

FIND = {
    "id": "look",
    "kind": "salesforce.find",
    "title": "The customer",
    "settings": {
        "object": "Stripe_Customer__c",
        "by": [{"kind": "external_id", "field": "External_ID__c", "from": ["invoice.customer"]}],
        "fields": ["Name"],
    },
}
MAP = {"id": "map", "kind": "map", "settings": {"target": "Stripe_Invoice_Line__c", "lines": []}}
SAVE = {"id": "save", "kind": "salesforce.upsert", "settings": {"record": "map"}}
ASK = """
async ([method, path, body]) => {
    const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
    const headers = { "Content-Type": "application/json", "X-CSRFToken": token };
    return (await fetch(`/api/v1/${path}`, { method, headers, body: JSON.stringify(body) })).json();
}
"""


def test_a_finger_fills_a_record_for_each_line_of_an_invoice(newcomer: Page, town: str) -> None:
    page = newcomer
    page.set_viewport_size({"width": 1180, "height": 820})
    page.goto(f"{town}flows/")
    made = page.evaluate(ASK, ["POST", "drafts/", {"integration": "billing", "name": "Lines by finger"}])
    trigger = {"edit": "set_trigger", "trigger": {"kind": "stripe.event", "types": ["invoice.paid"]}}
    steps = {"edit": "paste_steps", "steps": [FIND, MAP, SAVE]}
    draft = f"flows/{made['flow']}/draft/"
    page.evaluate(ASK, ["PATCH", draft, {"revision": 1, "edits": [trigger, steps]}])
    page.goto(f"{town}flows/{made['flow']}/design/map/mapping/")
    page.locator("#mapper[data-ready]").wait_for()

    def source(path: str) -> None:
        page.locator(f'#mapper-from [data-path="{path}"]').tap()

    # A list says how many items it has, and the step is put into a For each over it.
    source("invoice.lines")
    source("invoice.lines.data")
    expect(page.locator("#mapper-hint")).to_contain_text("invoice.lines.data is a list of 1 item.")
    page.get_by_role("button", name="Fill a record for each item").tap()
    expect(page.locator('[data-path="line"]')).to_be_visible()

    # The item and what the step before found are roots like the event.
    page.get_by_role("button", name="Collapse all").tap()
    source("line.description")
    page.locator('[data-field="Description__c"]').tap()
    expect(page.locator('[data-field="Description__c"] .mapper-value')).to_have_text("A plan")
    source("steps.look")
    source("steps.look.record")
    source("steps.look.record.Name")
    page.locator('[data-field="Name"]').tap()
    expect(page.locator("#mapper-count")).to_have_text("2 mapped")
    assert (overflow(page), findings(page)) == (0, [])
    page.get_by_role("button", name="Collapse unmapped").tap()
    expect(page.locator('[data-path="line.description"]')).to_be_visible()
    expect(page.locator('[data-path="invoice.id"]')).to_be_hidden()

    expect(page.locator("#mapper-saved")).to_have_text("All changes are kept")
    look, each = page.evaluate(ASK, ["GET", draft])["document"]["steps"]
    assert (look["id"], each["settings"]["list"]) == ("look", ["invoice.lines.data"])
    assert [step["id"] for step in each["exits"]["each"]] == ["map", "save"]
