"""The mapper while the server takes its time: its answers do not disturb what a person does meanwhile."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looking import Watch
from tests.browser.mapper import Start
from tests.browser.test_canvas_slow_answers import answer, arrives, held
from tests.browser.test_mapper import middle
from tests.browser.test_mapper_lines import AMOUNT, edit

pytestmark = pytest.mark.browser


def test_a_refusal_that_comes_late_leaves_whoever_types_alone(start: Start, page: Page) -> None:
    mapper = start()
    edits = held(page, "**/edits/")
    mapper.source("charge.created").click()
    mapper.field("Paid_At__c").click()
    refused = arrives(page, edits)
    search = page.get_by_label("Search both sides")
    search.fill("paid")

    answer(page, refused)

    expect(search).to_be_focused()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#mapper-hint")).to_contain_text("charge.created does not fit Paid_At__c")
    page.unroute("**/edits/")
    page.get_by_role("button", name="Convert to date and time").click()
    expect(mapper.field("Paid_At__c").locator(".mapper-chip")).to_have_text("Date and time")


def test_values_of_an_event_that_nobody_looks_at_any_more_are_not_shown(start: Start, page: Page) -> None:
    mapper = start([AMOUNT])
    looks = held(page, "**/values/**")
    page.locator("#mapper-event").select_option(index=1)
    overtaken = arrives(page, looks)
    page.locator("#mapper-event").select_option(index=2)
    answer(page, arrives(page, looks))
    shown = mapper.field("Amount__c").locator(".mapper-value").inner_text()

    told = overtaken.fetch().json()
    told["lines"][0]["value"] = "0.01"
    overtaken.fulfill(json=told)
    page.wait_for_timeout(200)

    expect(mapper.field("Amount__c").locator(".mapper-value")).to_have_text(shown)


def test_an_answer_waits_until_a_value_that_is_dragged_lies_somewhere(start: Start, page: Page) -> None:
    mapper = start()
    edits = held(page, "**/edits/")
    mapper.source("charge.id").click()
    mapper.field("Charge_ID__c").click()
    kept = arrives(page, edits)
    page.mouse.move(*middle(mapper.source("charge.currency").bounding_box()))
    page.mouse.down()
    page.mouse.move(760, 300, steps=3)
    expect(page.locator("#mapper-lines .ghost")).to_have_count(1)

    answer(page, kept)
    expect(mapper.field("Charge_ID__c").locator(".mapper-chip.pending")).to_be_visible()
    page.unroute("**/edits/")
    page.mouse.move(*middle(mapper.field("Failure_Code__c").bounding_box()), steps=4)
    page.mouse.up()

    expect(mapper.field("Failure_Code__c").locator(".mapper-chip:not(.pending)")).to_be_visible()
    assert [line["field"] for line in mapper.saved()] == ["Charge_ID__c", "Failure_Code__c"]


def test_completions_of_a_text_that_has_been_typed_on_are_not_offered(start: Start, page: Page) -> None:
    mapper = start([{"field": "Failure_Code__c", "chips": [{"chip": "expression", "text": "charge.id"}]}])
    text = edit(mapper, "Failure_Code__c").get_by_role("textbox", name="Expression")
    asked = held(page, "**/complete/")
    text.fill("charge.stat")
    text.press("Control+Space")
    late = arrives(page, asked)

    text.press_sequentially("us")
    answer(page, late)

    expect(page.get_by_role("group", name="Completions").get_by_role("button")).to_have_count(0)


def test_a_button_at_a_row_keeps_the_focus_while_the_rows_are_drawn_anew(start: Start, page: Page) -> None:
    mapper = start()
    page.get_by_role("button", name="Suggest").click()
    accept = mapper.field("Failure_Message__c").get_by_role("button", name="Accept")
    edits = held(page, "**/edits/")
    mapper.source("charge.id").click()
    mapper.field("Charge_ID__c").click()
    kept = arrives(page, edits)
    accept.focus()

    answer(page, kept)

    expect(mapper.field("Charge_ID__c").locator(".mapper-chip:not(.pending)")).to_be_visible()
    expect(accept).to_be_focused()


def test_what_waited_for_the_connection_passes_over_nobody(start: Start, page: Page, watch: Watch) -> None:
    watch.allowed = ("ERR_FAILED", "409")
    mapper = start([{"field": "Charge_ID__c", "from": ["charge.id"]}])
    page.route("**/edits/", lambda request: request.abort())
    for path, field in (("charge.currency", "Failure_Code__c"), ("charge.status", "Charge_ID__c")):
        mapper.source(path).click()
        mapper.field(field).click()
    expect(page.locator("#mapper-saved")).to_have_text("2 changes not sent yet")
    other = page.context.new_page()
    theirs = mapper.beside(other)
    theirs.source("charge.receipt_email").click()
    theirs.field("Charge_ID__c").click()
    theirs.saved()

    page.unroute("**/edits/")
    page.evaluate("dispatchEvent(new Event('online'))")

    # The first is made, and tells the page of a newer draft: the second was made on the older one.
    expect(page.locator("#mapper-conflict")).to_contain_text("changed this meanwhile")
    expect(page.locator("#mapper-saved")).to_have_text("1 change not sent yet")
    lines = {line["field"]: line["from"] for line in theirs.saved()}
    assert lines == {"Charge_ID__c": ["charge.receipt_email"], "Failure_Code__c": ["charge.currency"]}
    page.get_by_role("button", name="Make it all the same").click()
    assert {line["field"]: line["from"] for line in mapper.saved()} == {
        **lines,
        "Charge_ID__c": ["charge.status"],
    }
    other.close()
