"""Of many dead letters one is tried first, watched and stopped, with the keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import Watch, findings, overflow

pytestmark = pytest.mark.browser


def test_one_is_tried_first_and_the_rest_is_stopped_by_keys_alone(page: Page, theatre: Theatre) -> None:
    made = theatre.do("die", field="Stopped__c", runs=3)
    path = "**/dead-letters/retries/*/progress/**"
    page.goto(theatre.at(f"dead-letters/causes/{made['fingerprint']}/"))

    page.get_by_role("button", name="Try one first").press("Enter")
    dialog = page.get_by_role("dialog", name="Try one first")
    expect(dialog).to_contain_text("The oldest of 3 is tried now")
    dialog.get_by_role("button", name="Try one first").press("Enter")
    expect(dialog).to_be_hidden()
    stop = page.get_by_role("button", name="Stop")
    stop.focus()
    with page.expect_response(path):  # the page asks how far it is, and draws that anew
        pass
    expect(stop).to_be_focused()
    page.keyboard.press("Enter")

    shown = page.locator("#group-retry")
    expect(shown).to_contain_text("It was stopped")
    expect(shown).to_contain_text("2 left alone")
    expect(page.get_by_role("button", name="Discard all 2")).to_be_visible()


def test_an_object_is_edited_and_a_remedy_approved_by_keys_alone(
    page: Page, theatre: Theatre, watch: Watch
) -> None:
    watch.allowed = ("422",)  # of the text that cannot be read
    message = "Name: data value too large: Jenny Rosen (max length=8)"
    made = theatre.do("die", field="Name", message=message, code="STRING_TOO_LONG", runs=2)
    page.goto(theatre.at(f"dead-letters/causes/{made['fingerprint']}/"))
    page.get_by_role("link", name="Mend evt_").first.press("Enter")

    text = page.get_by_role("textbox", name="Edited copy, in JSON")
    text.fill(text.input_value().replace('"6735"', '"6736"').replace('"eur"', '"eur'))
    page.get_by_role("button", name="Show what changes").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Line ")
    text.fill(text.input_value().replace('"eur', '"eur"'))
    page.get_by_role("button", name="Show what changes").press("Enter")
    changes = page.get_by_role("table")
    expect(changes).to_contain_text("metadata.order_id")
    expect(changes).not_to_contain_text("currency")
    assert findings(page) == []

    remedy = page.get_by_role("region", name="What would help")
    expect(remedy).to_contain_text("Jenny Ro")
    remedy.get_by_role("checkbox", name="Do this by itself").press("Space")
    remedy.get_by_role("button", name="Approve and retry").press("Enter")
    expect(page.locator("#toasts")).to_contain_text("It is tried again with this change")
    retried = [theatre.do("state_of", run=run) for run in made["runs"]]
    assert sorted(retried) == ["dead", "ready"]
    page.goto(theatre.at("dead-letters/fixes/"))
    expect(page.get_by_role("row", name="Name is cut to 8 characters")).to_contain_text("On")


def test_a_run_is_retried_from_its_failed_step_with_what_was_found(page: Page, theatre: Theatre) -> None:
    made = theatre.do("give_up_late", field="Kept__c")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(theatre.at(f"dead-letters/{made['letter']}/"))
    card = page.get_by_role("region", name="Retry from the failed step")
    expect(card).to_contain_text("It goes on at Save the payment")
    expect(card.get_by_role("term")).to_have_count(3)
    expect(card.get_by_role("definition").first).to_contain_text("attempt 1, ")
    assert overflow(page) <= 0
    assert findings(page) == []

    card.get_by_role("button", name="Retry from the failed step").press("Enter")

    page.wait_for_url(f"**/runs/{made['run']}/")
    expect(page.locator("#toasts")).to_contain_text("It goes on at the failed step")
    expect(page.locator("#from-step")).to_have_count(0)
    assert theatre.do("state_of", run=made["run"]) == "ready"
