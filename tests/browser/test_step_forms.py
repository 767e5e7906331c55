"""The form of a step by the keyboard alone: what is offered while one types, rows, and folds."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import findings, overflow
from tests.browser.test_canvas import a_draft, kept, opened, shot

pytestmark = pytest.mark.browser

STEPS: tuple[dict[str, Any], ...] = (
    {"id": "describe", "kind": "map", "settings": {"target": "Payment__c"}},
    {"id": "save", "kind": "salesforce.upsert", "title": "Save it", "settings": {"record": "describe"}},
    {
        "id": "large",
        "kind": "condition",
        "settings": {"all": [{"path": ["charge.amount"], "is": "greater", "value": 5}]},
    },
    {"id": "tell", "kind": "alert", "title": "Tell us", "settings": {}},
)


HOSTILE = "<img src=x onerror=alert(1)>"
LABELS = {"Account": "Account", "Payment__c": "Money received", "Hostile__c": HOSTILE}
LABELS |= {f"Thing_{number:02}__c": f"Thing {number}" for number in range(40)}


def objects(route: Route) -> None:
    """Answer for an org of many objects what the server would; the one of these tests is out of reach."""
    typed = parse_qs(urlsplit(route.request.url).query).get("q", [""])[0].lower()
    found = [
        {"value": name, "label": label, "detail": ""}
        for name, label in LABELS.items()
        if typed in name.lower() or typed in label.lower()
    ]
    told = {"offers": found[:30], "more": len(found) > 30, "trouble": ""}
    route.fulfill(body=json.dumps(told), content_type="application/json")


@pytest.fixture
def form(theatre: Theatre, org: dict[str, str], page: Page) -> Page:
    """Return the canvas of a flow whose steps are unfinished, in an org of many objects."""
    page.route("**/offers/?offers=objects*", objects)
    return opened(page, a_draft(page, theatre, *STEPS))


def field(page: Page, name: str) -> Any:
    """Return a control of the form."""
    return page.locator(f"[id='f-{name}']")


def settings_of(page: Page, step: str) -> dict[str, Any]:
    """Return the settings of a step once they are kept."""
    return dict(next(one for one in kept(page)["steps"] if one["id"] == step)["settings"])


def test_names_of_the_org_are_chosen_while_one_types(form: Page) -> None:
    page, keys, offers = form, form.keyboard, form.locator("#combobox [role=option]")
    page.locator("#card-save").focus()
    keys.press("Enter")
    expect(field(page, "save-object")).to_be_focused()  # the first that is missing

    keys.press("ArrowDown")
    expect(page.locator("#combobox .combobox-note")).to_have_text("There are more: go on typing.")
    shot(page, "combobox")
    assert (overflow(page), findings(page)) == (0, [])
    keys.type("money rec")
    expect(offers).to_have_text(["Payment__cMoney received"])
    keys.press("ArrowDown")
    expect(field(page, "save-object")).to_have_attribute("aria-activedescendant", "combobox-0")
    keys.press("Enter")
    expect(field(page, "save-object")).to_have_value("Payment__c")
    expect(page.locator("#combobox")).to_be_hidden()

    keys.press("Tab")  # what is offered next goes by what was chosen
    keys.press("ArrowDown")
    expect(offers).to_have_text(["External_ID__cExternal IDtext, external id, required"])
    keys.press("Escape")
    expect(field(page, "save-external_id")).to_be_focused()
    keys.type("Not_Known__c")
    keys.press("Tab")
    assert settings_of(page, "save") == {
        "record": "describe",
        "object": "Payment__c",
        "external_id": "Not_Known__c",  # nobody is kept from writing something else
    }
    keys.press("Escape")
    expect(page.locator("#card-save")).to_be_focused()


def test_a_hostile_label_is_only_text(form: Page) -> None:
    form.locator("#card-save").click()
    field(form, "save-object").fill("hostile")

    expect(form.locator("#combobox [role=option] span")).to_have_text(HOSTILE)
    assert form.locator("#combobox img").count() == 0


def test_rows_are_added_filled_moved_and_removed_by_the_keyboard(form: Page) -> None:
    page, keys = form, form.keyboard
    page.locator("#card-large").focus()
    keys.press("Enter")
    expect(page.locator("#panel h2")).to_have_text("Condition")

    page.locator("#add-large-all").press("Enter")
    expect(field(page, "large-all.1.path.0")).to_be_focused()
    keys.type("charge.curr")
    expect(page.locator("#combobox strong").first).to_have_text("charge.currency")
    keys.press("ArrowDown")
    keys.press("Enter")
    field(page, "large-all.1.is").select_option("in")
    expect(field(page, "large-all.1.value.0")).to_be_visible()  # a list from now on
    field(page, "large-all.1.value.0").press("e")
    keys.type("ur")
    keys.press("Tab")
    page.locator("[id='add-large-all.1.value']").press("Enter")
    expect(field(page, "large-all.1.value.1")).to_be_focused()
    keys.type("usd")
    page.get_by_role("button", name="Move Comparison 2 up").press("Enter")
    expect(page.get_by_role("button", name="Move Comparison 1 down")).to_be_focused()

    assert settings_of(page, "large")["all"] == [
        {"path": ["charge.currency"], "is": "in", "value": ["eur", "usd"]},
        {"path": ["charge.amount"], "is": "greater", "value": 5},
    ]
    page.get_by_role("button", name="Remove Comparison 2").press("Enter")
    expect(field(page, "large-all.0.path.0")).to_be_focused()
    shot(page, "rows")
    assert findings(page) == []
    assert len(settings_of(page, "large")["all"]) == 1


def test_a_text_is_filled_with_values_behind_an_open_brace(form: Page) -> None:
    form.locator("#card-tell").click()
    field(form, "tell-title").press_sequentially("Paid: {charge.amount_cap")
    expect(form.locator("#combobox strong")).to_have_text(["charge.amount_captured"])

    form.keyboard.press("ArrowDown")
    form.keyboard.press("Enter")
    form.keyboard.type(", at last")
    form.keyboard.press("Tab")

    assert settings_of(form, "tell") == {"title": "Paid: {charge.amount_captured}, at last"}
