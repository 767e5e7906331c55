"""A chart tells its values where somebody points, by mouse, by finger and by the arrow keys."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import findings, overflow

pytestmark = pytest.mark.browser

OF_THE_OVERVIEW = re.compile(r"\d\d:\d\d\s*Applied \d+\s*Dead letters \d+\s*Received \d+")


def the_chart(page: Page, slug: str) -> Locator:
    """Return a chart, once its script has come."""
    page.wait_for_load_state("load")
    chart = page.locator(f"#plot-{slug}")
    chart.scroll_into_view_if_needed()
    return chart


def row(chart: Locator, number: int) -> list[str]:
    """Return what the table of a chart says in one of its rows, counted from the end if below 0."""
    cells = chart.locator(".plot-table tbody tr").nth(number).locator("th, td")
    return cells.all_text_contents()


def told(chart: Locator) -> list[str]:
    """Return the time and the values that the legend tells."""
    return chart.locator(".legend .plot-told, .legend b").all_text_contents()


def test_the_mouse_shows_the_values_of_the_minute_it_is_over(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at())
    chart = the_chart(page, "throughput")
    box = chart.locator("[data-plot]").bounding_box()
    assert box is not None

    page.mouse.move(box["x"] + box["width"] * (20.5 / 60), box["y"] + 30)

    assert told(chart) == row(chart, 20)
    expect(chart.locator("figcaption")).to_have_text(OF_THE_OVERVIEW)
    expect(chart.locator(".pointed")).not_to_have_attribute("visibility", "hidden")  # it has no width
    page.mouse.move(5, 5)
    assert told(chart)[0] == "Last hour"  # its totals go on with the minutes
    expect(chart.locator(".pointed")).to_have_attribute("visibility", "hidden")
    page.mouse.click(box["x"] + box["width"] * (20.5 / 60), box["y"] + 30)
    page.keyboard.press("ArrowRight")
    assert told(chart) == row(chart, 21)


def test_the_arrow_keys_go_from_minute_to_minute_and_each_is_read_out(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at())
    chart = the_chart(page, "throughput")
    slider = chart.get_by_role("slider", name="Received, applied and dead letters: choose a minute")

    slider.focus()
    assert told(chart) == row(chart, 59)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")

    assert told(chart) == row(chart, 57)
    minute, applied, dead, received = row(chart, 57)
    said = f"{minute}: Applied {applied}, Dead letters {dead}, Received {received}"
    expect(slider).to_have_attribute("aria-valuetext", said)
    page.keyboard.press("Home")
    assert told(chart) == row(chart, 0)
    assert findings(page) == []


def test_a_live_update_leaves_the_minute_that_somebody_looks_at(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at())
    expect(page.locator("#live-state")).to_have_text("Live")
    chart = the_chart(page, "throughput")
    chart.get_by_text("The figures as a table").click()
    chart.get_by_role("slider").focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
    looked_at = told(chart)

    made = theatre.do("arrive", runs=1)
    expect(page.locator(f"#run-{made[0]}")).to_be_visible()

    assert told(chart) == looked_at
    assert page.evaluate("document.activeElement.type") == "range"
    expect(chart.locator(".plot-table")).to_be_visible()  # what was opened stays open
    page.keyboard.press("Escape")
    page.locator("#main").focus()
    assert told(chart)[0] == "Last hour"


def test_how_long_it_took_stands_under_what_was_applied(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at())
    chart = the_chart(page, "lag")

    chart.get_by_role("slider").focus()
    page.keyboard.press("Home")
    page.keyboard.press("PageUp")

    expect(chart.locator("figcaption")).to_have_text(re.compile(r"95 % within (–|\d+)"))
    assert told(chart)[0] != "Last hour"


def test_what_will_be_used_can_be_read_hour_by_hour(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at(f"budgets/{theatre.ids['salesforce']}/"))
    outlook = the_chart(page, "outlook")
    outlook.get_by_role("slider").focus()
    page.keyboard.press("Home")

    assert told(outlook) == row(outlook, 0)
    assert told(outlook)[1:] == ["41,230", "90,000", "100,000"]
    days = the_chart(page, "days")
    days.get_by_role("slider").focus()
    assert told(days) == row(days, 13)


def test_what_is_usual_is_told_beside_what_was_measured(page: Page, theatre: Theatre) -> None:
    theatre.do("measure")
    page.goto(theatre.at("anomalies/"))
    chart = the_chart(page, "series")

    chart.get_by_role("slider").focus()

    expect(chart.locator("figcaption")).to_contain_text("Usual 24.5 to 58Expected 40Measured 0")
    assert findings(page) == []


def test_on_a_phone_a_finger_is_enough_and_nothing_sticks_out(
    browser: Browser, theatre: Theatre, signed_in: Any
) -> None:
    context = browser.new_context(
        storage_state=signed_in, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(theatre.at())
    chart = the_chart(page, "throughput")
    box = chart.locator("[data-plot]").bounding_box()
    assert box is not None

    page.touchscreen.tap(box["x"] + box["width"] * (40.5 / 60), box["y"] + 30)

    assert told(chart) == row(chart, 40)
    assert overflow(page) <= 0
    context.close()


def test_without_a_script_the_table_has_every_figure(
    browser: Browser, theatre: Theatre, signed_in: Any
) -> None:
    context = browser.new_context(storage_state=signed_in, java_script_enabled=False)
    page = context.new_page()
    page.goto(theatre.at())
    chart = page.locator("#plot-throughput")

    chart.get_by_text("The figures as a table").click()

    expect(chart.locator(".plot-table tbody tr")).to_have_count(60)
    expect(chart.get_by_role("slider")).to_be_hidden()
    context.close()
