"""The mapper: values of Stripe go to fields of Salesforce by click, by key, by mouse and by finger."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import Watch
from tests.browser.mapper import Mapper, Start

pytestmark = pytest.mark.browser

# By click


def test_a_click_on_each_side_maps_and_shows_what_comes_of_it(start: Start, page: Page) -> None:
    mapper = start()

    mapper.source("charge.id").click()
    expect(page.locator("#mapper-hint")).to_contain_text("charge.id is picked")
    mapper.field("External_ID__c").click()

    expect(mapper.field("External_ID__c").locator(".mapper-value")).to_contain_text("ch_3QXk")
    expect(page.locator("#mapper-count")).to_have_text("1 mapped")
    assert mapper.saved() == [{"field": "External_ID__c", "from": ["charge.id"]}]
    expect(page.locator("#mapper-lines path")).to_have_count(1)


def test_the_step_leads_to_its_mapping_and_back(start: Start, page: Page) -> None:
    mapper = start()

    page.locator(".page-head .crumb").click()
    page.wait_for_url("**/design/?step=map")
    page.get_by_role("link", name="Open the mapping").click()

    expect(mapper.field("Charge_ID__c")).to_be_visible()


def test_the_field_may_be_clicked_first(start: Start) -> None:
    mapper = start()

    mapper.field("Charge_ID__c").click()
    mapper.source("charge.id").click()

    expect(mapper.field("Charge_ID__c").locator(".mapper-chip")).to_have_text("=")
    assert mapper.saved()[0]["field"] == "Charge_ID__c"


def test_what_does_not_fit_is_refused_with_the_chip_that_mends_it(start: Start, page: Page) -> None:
    mapper = start()

    mapper.source("charge.created").click()
    mapper.field("Paid_At__c").click()
    dialog = page.get_by_role("dialog", name="This does not fit as it is")
    expect(dialog).to_contain_text("Stripe counts seconds, and the field holds a date and time")
    dialog.get_by_role("button", name="Convert to date and time").click()

    expect(mapper.field("Paid_At__c").locator(".mapper-chip")).to_have_text("Date and time")
    assert mapper.saved()[0]["chips"] == [{"chip": "unix_time", "result": "datetime"}]


def test_a_refusal_may_be_left_at_that(start: Start, page: Page) -> None:
    mapper = start()

    mapper.source("charge.amount").click()
    mapper.field("Amount__c").click()
    page.get_by_role("dialog", name="This does not fit").get_by_role("button", name="Cancel").click()

    expect(mapper.field("Amount__c").locator(".mapper-chip")).to_have_count(0)
    assert mapper.saved() == []


def test_what_can_never_fit_is_refused_at_once_and_told_why(start: Start, page: Page) -> None:
    mapper = start()

    mapper.source("charge.amount").click()
    expect(mapper.field("Captured__c")).to_have_class("mapper-row bad")
    mapper.field("Captured__c").click()

    expect(page.locator("#mapper-hint")).to_contain_text(
        "charge.amount does not fit Captured__c: The field is a checkbox"
    )
    assert mapper.saved() == []


def test_a_field_that_salesforce_fills_itself_takes_nothing(start: Start, page: Page) -> None:
    mapper = start()

    mapper.field("Age__c").click()

    expect(page.locator("#mapper-hint")).to_contain_text("Age__c: Salesforce calculates this field itself")


def test_a_value_that_the_field_has_no_room_for_is_told_at_the_field(start: Start, page: Page) -> None:
    mapper = start([{"field": "Short_Text__c", "from": ["charge.id"]}])

    expect(mapper.field("Short_Text__c").locator(".mapper-value")).to_contain_text("of 5 characters")
    page.locator("#mapper-wrong").click()

    assert mapper.focused() == "Short_Text__c"


# Finding the way


def test_one_search_narrows_both_sides(start: Start, page: Page) -> None:
    mapper = start()

    page.get_by_label("Search both sides").fill("email")

    expect(mapper.source("charge.billing_details.email")).to_be_visible()
    expect(mapper.field("Billing_Email__c")).to_be_visible()
    expect(mapper.source("charge.amount")).to_be_hidden()
    expect(mapper.field("Amount__c")).to_be_hidden()


def test_filters_show_what_is_left_to_do(start: Start, page: Page) -> None:
    mapper = start([{"field": "Name", "from": ["charge.id"]}])

    page.get_by_text("Unmapped", exact=True).click()
    expect(mapper.field("Name")).to_be_hidden()
    expect(mapper.source("charge.id")).to_be_hidden()
    page.get_by_text("Required", exact=True).click()
    expect(mapper.field("Name")).to_be_visible()
    expect(mapper.field("Fee__c")).to_be_hidden()


def test_the_count_of_what_is_required_leads_to_the_next_of_it(start: Start, page: Page) -> None:
    mapper = start([{"field": "Name", "from": ["charge.id"]}])

    page.get_by_role("button", name="4 required left").click()
    first = mapper.focused()
    page.get_by_role("button", name="4 required left").click()

    assert first == "External_ID__c"
    assert mapper.focused() == "Amount__c"


def test_groups_open_and_close(start: Start, page: Page) -> None:
    mapper = start()

    expect(mapper.source("charge.billing_details.email")).to_have_count(0)
    mapper.source("charge.billing_details").locator(".mapper-twist").click()
    expect(mapper.source("charge.billing_details.email")).to_be_visible()
    page.get_by_role("button", name="Collapse all").click()
    expect(mapper.source("charge.billing_details.email")).to_be_hidden()


# By key


def test_the_keyboard_alone_maps_takes_back_and_removes(start: Start, page: Page) -> None:
    mapper = start()
    mapper.source("charge").focus()

    page.keyboard.press("ArrowDown")
    assert mapper.focused() == "charge.amount"
    for _ in range(40):
        if mapper.focused() == "charge.id":
            break
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert mapper.focused() == "Charge_ID__c"
    expect(page.locator("#announcer")).to_contain_text("charge.id is picked")
    page.keyboard.press("Enter")
    expect(mapper.field("Charge_ID__c").locator(".mapper-chip")).to_have_text("=")
    expect(page.locator("#announcer")).to_contain_text("Mapped charge.id to Charge_ID__c")

    page.keyboard.press("Delete")
    expect(mapper.field("Charge_ID__c").locator(".mapper-chip")).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(mapper.field("Charge_ID__c").locator(".mapper-chip")).to_have_text("=")
    page.keyboard.press("Control+Shift+z")
    expect(mapper.field("Charge_ID__c").locator(".mapper-chip")).to_have_count(0)
    assert mapper.saved() == []


def test_escape_puts_down_what_was_picked(start: Start, page: Page) -> None:
    mapper = start()
    mapper.source("charge.currency").focus()

    page.keyboard.press("Enter")
    assert mapper.focused() != "charge.currency"
    page.keyboard.press("Escape")

    assert mapper.focused() == "charge.currency"
    expect(page.locator(".picked")).to_have_count(0)


def test_arrows_open_groups_and_cross_to_the_other_side(start: Start, page: Page) -> None:
    mapper = start([{"field": "Billing_Email__c", "from": ["charge.billing_details.email"]}])
    mapper.source("charge.billing_details").focus()

    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert mapper.focused() == "charge.billing_details.address"
    page.keyboard.press("ArrowLeft")
    assert mapper.focused() == "charge.billing_details"
    mapper.field("Billing_Email__c").focus()
    page.keyboard.press("ArrowLeft")

    assert mapper.focused() == "charge.billing_details.email"


def test_undo_survives_a_new_look_at_the_page(start: Start, page: Page) -> None:
    mapper = start()
    mapper.source("charge.id").click()
    mapper.field("Charge_ID__c").click()
    mapper.saved()

    mapper.open()
    page.get_by_role("button", name="Undo").click()

    expect(mapper.field("Charge_ID__c").locator(".mapper-chip")).to_have_count(0)
    assert mapper.saved() == []


# By mouse and by finger


def middle(box: dict[str, float] | None) -> tuple[float, float]:
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_value_is_dragged_to_a_field_with_the_mouse(start: Start, page: Page) -> None:
    mapper = start()
    page.mouse.move(*middle(mapper.source("charge.currency").locator(".mapper-dot").bounding_box()))
    page.mouse.down()
    page.mouse.move(760, 300)  # a fast hand: one step, and out of the list
    expect(page.locator("#mapper-lines .ghost")).to_have_count(1)
    page.mouse.move(*middle(mapper.field("Charge_ID__c").bounding_box()), steps=4)
    expect(mapper.field("Charge_ID__c")).to_have_class("mapper-row good over")
    page.mouse.up()

    expect(mapper.field("Charge_ID__c").locator(".mapper-chip")).to_have_text("=")
    assert mapper.saved()[0]["from"] == ["charge.currency"]


def test_a_drag_to_the_edge_scrolls_to_what_is_below(start: Start, page: Page) -> None:
    mapper = start()
    target = mapper.field("Net__c")
    expect(target).not_to_be_in_viewport()
    page.mouse.move(*middle(mapper.source("charge.amount").bounding_box()))
    page.mouse.down()
    box = page.locator(".mapper-to .mapper-scroll").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 6, steps=4)
    expect(target).to_be_in_viewport()
    page.keyboard.press("Escape")
    page.mouse.up()

    expect(page.locator("#mapper-lines .ghost")).to_have_count(0)
    assert mapper.saved() == []


@pytest.fixture
def tablet(browser: Browser, signed_in: Any, org: dict[str, str], watch: Watch) -> Any:
    """Return a page that is touched."""
    context = browser.new_context(
        storage_state=signed_in,
        viewport={"width": 1180, "height": 820},
        has_touch=True,
        reduced_motion="reduce",
    )
    page = context.new_page()
    watch.over(page)
    yield page
    context.close()
    assert not watch.complaints


def drag_with_a_finger(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    finger = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        finger.send(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]}
        )

    touch("touchStart", start)
    for part in (0.25, 0.5, 0.75, 1.0, 1.0):
        touch("touchMove", (start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part))
        page.wait_for_timeout(40)  # Sortable looks around only so often
    touch("touchEnd")


def test_the_order_within_a_line_is_changed_with_the_mouse_and_with_a_finger(
    theatre: Theatre, tablet: Page
) -> None:
    chips = [{"chip": "text", "case": "upper"}, {"chip": "default", "value": "none"}]
    paths = ["charge.failure_code", "charge.status"]
    mapper = Mapper(theatre, tablet, [{"field": "Failure_Code__c", "from": paths, "chips": chips}])
    mapper.field("Failure_Code__c").locator(".mapper-chip").click()
    dialog = tablet.get_by_role("dialog", name="Failure_Code__c")
    cards = dialog.locator(".mapper-step")

    x, y = middle(dialog.locator(".mapper-grip").nth(1).bounding_box())
    tablet.mouse.move(x, y)
    tablet.mouse.down()
    tablet.mouse.move(x, y - 40, steps=8)
    tablet.mouse.up()
    expect(dialog.get_by_label("Path 1", exact=True)).to_have_value("charge.status")
    first = cards.first.bounding_box()
    assert first is not None
    start = middle(cards.last.locator(".mapper-grip").bounding_box())
    drag_with_a_finger(tablet, start, (start[0], first["y"] + 4))
    expect(cards.first).to_have_attribute("aria-label", "Default")
    dialog.get_by_role("button", name="Save").click()

    (line,) = mapper.saved()
    assert (line["from"], line["chips"]) == (paths[::-1], chips[::-1])


def test_a_value_is_dragged_to_a_field_with_a_finger(theatre: Theatre, tablet: Page) -> None:
    mapper = Mapper(theatre, tablet, [])

    start = middle(mapper.source("charge.currency").locator(".mapper-dot").bounding_box())
    drag_with_a_finger(tablet, start, middle(mapper.field("Charge_ID__c").bounding_box()))

    expect(mapper.field("Charge_ID__c").locator(".mapper-chip")).to_have_text("=")
    assert mapper.saved()[0]["from"] == ["charge.currency"]


def test_a_tap_on_each_side_maps(theatre: Theatre, tablet: Page) -> None:
    mapper = Mapper(theatre, tablet, [])

    mapper.source("charge.currency").tap()
    mapper.field("Charge_ID__c").tap()

    assert mapper.saved() == [{"field": "Charge_ID__c", "from": ["charge.currency"]}]


def test_on_a_phone_one_side_leads_to_the_other(
    browser: Browser, theatre: Theatre, org: Any, signed_in: Any
) -> None:
    context = browser.new_context(
        storage_state=signed_in, viewport={"width": 390, "height": 844}, has_touch=True
    )
    page = context.new_page()
    mapper = Mapper(theatre, page, [])

    page.locator("#mapper-sides label").first.tap()
    expect(mapper.field("Charge_ID__c")).to_be_hidden()
    mapper.source("charge.id").tap()
    expect(mapper.field("Charge_ID__c")).to_be_visible()
    mapper.field("Charge_ID__c").tap()

    expect(mapper.field("Charge_ID__c").locator(".mapper-told")).to_have_text("from charge.id")
    expect(page.locator("#mapper-lines")).to_be_hidden()
    assert mapper.saved()[0]["field"] == "Charge_ID__c"
    context.close()
