"""An anomaly in the browser: from the list to its own chart, with its onset, at every size and by night."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import findings, overflow, resized

pytestmark = pytest.mark.browser

# Where the marks of the chart are drawn, from its left edge, and how wide it is.
MARKS = """
(chart) => {
    const whole = chart.getBoundingClientRect(), left = (part) =>
        (chart.querySelector(part).getBoundingClientRect().left - whole.left) / whole.width;
    return { onset: left(".onset"), lasts: left(".lasts"), wide: whole.width, tall: whole.height };
}
"""


@pytest.fixture(scope="module")
def odd(theatre: Theatre) -> dict[str, str]:
    """Let payments have stopped three days ago."""
    ids: dict[str, str] = theatre.do("odd")
    return ids


def shot(page: Page, name: str) -> None:
    """Keep a picture, where somebody wants to look at it."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


@pytest.mark.parametrize("width", [1280, 390])
def test_an_old_anomaly_leads_to_its_own_chart(
    page: Page, theatre: Theatre, odd: dict[str, str], width: int
) -> None:
    page.goto(theatre.at("anomalies/?show=over"))
    resized(page, width)
    shot(page, f"anom-list-{width}")
    page.get_by_role("link", name="No charges came where about 30 are usual.").first.click()
    page.wait_for_url(f"**/anomalies/{odd['stopped']}/")

    chart = page.get_by_role("img", name="Charges")
    expect(chart).to_have_accessible_description(
        re.compile(r"It began to show at .*: 0 charges in those five minutes, where 3 to 17 would pass")
    )
    marks = chart.evaluate(MARKS)
    assert abs(marks["onset"] - 360 / 460) < 0.02  # six hours before of 7 h 40 min shown
    assert abs(marks["lasts"] - marks["onset"]) < 0.02
    assert marks["wide"] > 250
    assert marks["tall"] > 60
    expect(page.get_by_role("link", name="Events of that time")).to_be_visible()

    assert overflow(page) == 0
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two
        shot(page, f"anom-chart-{width}-{scheme}")
        assert findings(page) == []
    page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("width", [1280, 390])
def test_an_amount_is_beside_the_usual_one_and_leads_to_its_event(
    page: Page, theatre: Theatre, odd: dict[str, str], width: int
) -> None:
    page.goto(theatre.at(f"anomalies/{odd['far']}/"))
    resized(page, width)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two
        shot(page, f"anom-amount-{width}-{scheme}")
        assert findings(page) == []
    page.emulate_media(color_scheme="light")
    assert overflow(page) == 0

    expect(page.locator("main")).to_contain_text("€2,500.00, 125 times the usual amount")
    page.locator("dt", has_text="Event").locator("+ dd a").click()
    page.wait_for_url("**/events/*/")
    expect(page.locator("main")).to_contain_text(odd["charge"])


def test_the_list_is_narrowed_by_the_keyboard(page: Page, theatre: Theatre, odd: dict[str, str]) -> None:
    page.goto(theatre.at("anomalies/"))
    which = page.get_by_label("Which anomalies")
    which.get_by_role("link", name="Over").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/anomalies/?show=over")

    expect(page.locator(f"#entry-{odd['stopped']}")).to_be_visible()
    which.get_by_role("link", name="Open").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/anomalies/?show=open")
    expect(page.locator(f"#entry-{odd['stopped']}")).not_to_be_attached()
