"""Running a draft up to a step on the canvas, what ran along its steps, and building it with a finger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import findings, overflow
from tests.browser.test_canvas import ASK, SMALL, a_draft, becomes, opened, said, shot

pytestmark = pytest.mark.browser

CHARGE = {
    "id": "evt_run", "type": "charge.succeeded", "created": 1_764_000_000,
    "data": {"object": {"id": "ch_run", "object": "charge", "amount": 4, "currency": "eur"}},
}  # fmt: skip


def result(page: Page, step: str) -> Locator:
    """Return what stands below the card of a step."""
    return page.locator(f"#node-{step} > .card-result")


def test_a_draft_is_run_to_a_step_by_the_keyboard_alone(page: Page, theatre: Theatre) -> None:
    address = a_draft(page, theatre, *SMALL)
    flow = address.split("/flows/")[1].partition("/")[0]
    page.evaluate(
        ASK, ["POST", f"flows/{flow}/test-cases/", {"draft": True, "name": "Small", "body": CHARGE}]
    )
    opened(page, address)
    keys = page.keyboard
    page.locator("#card-last").focus()
    keys.press("r")
    dialog = page.locator("#run-to")
    expect(dialog).to_contain_text("as far as Last")
    assert findings(page) == []
    dialog.get_by_label("An event that I paste").check()
    dialog.locator("#run-body").fill(json.dumps(CHARGE))
    shot(page, "run-choose")
    keys.press("Tab")
    dialog.get_by_role("button", name="Run", exact=True).press("Enter")

    expect(page.locator("#run-bar")).to_contain_text("Ran to “Last”")
    said(page, "Ran to “Last”")
    expect(page.locator("#card-last")).to_be_focused()
    expect(result(page, "first")).to_contain_text("Done")
    expect(result(page, "inner")).to_contain_text("Not reached")
    expect(page.locator(".way[data-taken]")).to_have_attribute("data-way", "no")
    assert (overflow(page), findings(page)) == (0, [])
    shot(page, "run-light")
    page.emulate_media(color_scheme="dark")
    assert findings(page) == []
    shot(page, "run-dark")

    # What a step saw and gave, by its key and by the Tab key.
    page.locator("#card-large").press("i")
    expect(page.locator("#walked")).to_contain_text("Is it large?")
    expect(page.locator("#walked")).to_contain_text("amount")
    assert findings(page) == []
    shot(page, "run-details")
    keys.press("Escape")
    keys.press("Tab")
    expect(result(page, "large")).to_be_focused()

    # A change makes it stale; a run on the same event makes it fresh.
    page.locator("#card-first").press("Control+d")
    expect(page.locator("#run-stale")).to_be_visible()
    expect(result(page, "first")).to_contain_text("Done")
    assert findings(page) == []
    shot(page, "run-stale")
    page.locator("#run-again").press("Enter")
    expect(result(page, "first_2")).to_contain_text("Done")
    expect(page.locator("#run-stale")).to_be_hidden()

    page.locator("#run-clear").press("Enter")
    expect(page.locator(".card-result, #run-bar:visible, [data-taken]")).to_have_count(0)
    expect(page.locator("#card-last")).to_be_focused()

    # Who publishes sees what the test cases come to on this draft.
    page.get_by_role("button", name="Publish…").press("Enter")
    expect(page.locator("#publish-cases")).to_contain_text("The test case passed")
    assert findings(page) == []
    shot(page, "run-publish")


@pytest.fixture
def tablet(browser: Browser, signed_in: Any) -> Iterator[Page]:
    """Return a page on a tablet that is held upright."""
    context = browser.new_context(
        storage_state=signed_in, viewport={"width": 820, "height": 1180}, has_touch=True, is_mobile=True
    )
    yield context.new_page()
    context.close()


def drag_by_finger(page: Page, source: str, target: str) -> None:
    """Drag with real touches by a handle to the lower half of a card."""
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    page.locator(source).scroll_into_view_if_needed()
    begun = page.locator(source).bounding_box()
    assert begun
    x, y = begun["x"] + begun["width"] / 2, begun["y"] + begun["height"] / 2
    touch("touchStart", (x, y))
    for step in range(1, 30):
        end = page.locator(f"#node-{target}").bounding_box()
        assert end
        part = min(1.0, step / 12)
        goal = (end["x"] + end["width"] / 2, end["y"] + end["height"] * 0.8 + step % 2)
        touch("touchMove", (x + (goal[0] - x) * part, y + (goal[1] - y) * part))
        page.wait_for_timeout(60)
    touch("touchEnd")


def test_a_flow_is_built_with_a_finger_on_a_tablet(tablet: Page, theatre: Theatre) -> None:
    page = opened(tablet, a_draft(tablet, theatre, *SMALL))
    shot(page, "tablet")
    assert (overflow(page), findings(page)) == (0, [])

    drag_by_finger(page, "#card-first .grip", "last")
    becomes(page, [("large", {"yes": ["inner"]}), "last", "first"])

    page.locator("#node-last > .plus.after").tap()
    page.locator("#picker-search").fill("ale")
    page.locator("#picker-list li:visible").first.tap()
    becomes(page, [("large", {"yes": ["inner"]}), "last", "alert", "first"])

    page.locator("#card-inner").tap()
    expect(page.locator("#panel h2")).to_have_text("Wait")


def test_on_a_tablet_in_landscape_steps_come_from_the_palette(tablet: Page, theatre: Theatre) -> None:
    tablet.set_viewport_size({"width": 1180, "height": 820})
    page = opened(tablet, a_draft(tablet, theatre, *SMALL))
    shot(page, "landscape")
    assert (overflow(page), findings(page)) == (0, [])

    drag_by_finger(page, ".palette-item[data-kind='alert'] .grip", "first")
    becomes(page, ["first", "alert", ("large", {"yes": ["inner"]}), "last"])

    page.locator("#card-inner").tap()
    page.locator("#panel[data-step='inner']").wait_for()
    page.locator(".palette-item[data-kind='stop'] button").tap()
    becomes(page, ["first", "alert", ("large", {"yes": ["inner", "stop"]}), "last"])


def test_cards_are_compact_and_counts_are_shown_until_somebody_hides_them(
    page: Page, theatre: Theatre
) -> None:
    address = theatre.do("passages")["design"]
    opened(page, f"{theatre.web}{address}")
    expect(page.locator("#card-save_payment .passed").first).to_be_visible()
    assert (overflow(page), findings(page)) == (0, [])
    shot(page, "counts-light")
    tall = page.locator("#card-save_payment").bounding_box()
    page.get_by_label("Runs of 24 h").uncheck()
    page.get_by_label("Compact").check()
    opened(page, page.url)

    expect(page.locator("#card-save_payment .passed").first).to_be_hidden()
    low = page.locator("#card-save_payment").bounding_box()
    assert tall
    assert low
    assert low["height"] < 40 < tall["height"]
    shot(page, "compact")


def test_the_page_of_a_run_leads_to_the_canvas_on_which_a_step_is_run_on_its_event(
    page: Page, theatre: Theatre
) -> None:
    page.goto(theatre.at("runs/?type=charge.succeeded"))
    page.locator("a.row-link").first.click()
    number = str(page.get_by_role("link", name="Try this event").get_attribute("href")).partition("event=")[2]
    page.get_by_role("link", name="Open in the designer").click()
    page.locator("#designer[data-ready]").wait_for()

    card = page.locator("[id^='card-']:not([id*='@'])").last
    card.focus()
    with page.expect_request(lambda one: one.method == "POST" and "/design/run/" in one.url) as asked:
        card.press("r")

    assert f"event%3A{number}" in str(asked.value.post_data) or f"event:{number}" in str(
        asked.value.post_data
    )
    expect(page.locator("#run-bar")).to_be_visible()
