"""An open page learns what happens, without a reload and without shifting what somebody reads."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import Watch

pytestmark = pytest.mark.browser

OF_A_LOST_SERVER = (
    "WebSocket connection",
    "net::ERR",
    "htmx:wsError",
    "[object Event]",
    "Failed to load resource",
)
SOON = 30_000  # milliseconds that a busy machine may take; a page whose socket is open asks for nothing


def wait_until_live(page: Page) -> None:
    """Wait until the socket of the page is open, and mark the page, to notice a reload."""
    expect(page.locator("#live-state")).to_have_text("Live", timeout=SOON)
    page.evaluate("window.notReloaded = true")


def shown_runs(page: Page) -> list[str]:
    """Return the last runs that the overview shows, the newest first."""
    rows = page.locator("#last tr[data-run]").all()
    return [str(row.get_attribute("data-run")) for row in rows]


def test_new_runs_are_announced_and_shift_nothing(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("runs/"))
    wait_until_live(page)
    before = page.locator(".row-link").all_inner_texts()
    top = page.locator(".row-link").first.bounding_box()

    theatre.do("arrive", runs=3)

    expect(page.locator("#arrivals")).to_contain_text("3 new", timeout=SOON)
    assert page.locator(".row-link").all_inner_texts() == before
    assert page.locator(".row-link").first.bounding_box() == top
    expect(page.locator("#announcer")).to_have_text("3 new")
    assert page.evaluate("window.notReloaded")


def test_only_runs_that_fit_the_filters_are_announced(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("runs/?fate=dead"))
    wait_until_live(page)

    theatre.do("arrive", runs=2)
    theatre.do("die", field="Announced__c")

    expect(page.locator("#arrivals")).to_contain_text("1 new", timeout=SOON)


def test_a_row_in_view_changes_where_it_stands(page: Page, theatre: Theatre) -> None:
    run = theatre.ids["retrying"]
    page.goto(theatre.at(f"runs/?q={run}"))
    wait_until_live(page)
    row = page.locator(f"#run-{run}")
    expect(row.locator(".status")).to_have_text("Retrying")

    theatre.do("finish", run=run)

    expect(row.locator(".status")).to_have_text("Applied", timeout=SOON)
    assert page.evaluate("window.notReloaded")


def test_the_numbers_over_the_list_follow(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("runs/"))
    wait_until_live(page)
    tab = page.locator(".tab", has_text="Dead letters").locator("strong")
    before = int(tab.inner_text())

    theatre.do("die", field="Counted__c")

    expect(tab).to_have_text(str(before + 1), timeout=SOON)
    expect(page.locator("#nav-dead")).to_contain_text(str(before + 2))  # and the event without a run


def test_the_overview_is_live(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at())
    wait_until_live(page)

    made = theatre.do("arrive", runs=1)

    expect(page.locator(f"#run-{made[0]}")).to_be_visible(timeout=SOON)
    assert page.evaluate("window.notReloaded")


def test_an_open_run_is_read_again_when_it_changes(page: Page, theatre: Theatre) -> None:
    run = theatre.do("arrive", runs=1, fate="queued")[0]
    page.goto(theatre.at(f"runs/{run}/"))
    page.evaluate("window.notReloaded = true")
    expect(page.locator("#run .status").first).to_have_text("Queued")

    theatre.do("finish", run=run)

    expect(page.locator("#run .status").first).to_have_text("Applied", timeout=SOON)
    assert page.evaluate("window.notReloaded")


def test_every_page_says_when_workers_are_down(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("flows/"))

    theatre.do("stop_workers")
    try:
        expect(page.locator("#alarm")).to_contain_text("Workers are down")
    finally:
        theatre.do("start_workers")
    expect(page.locator("#alarm")).to_be_empty()


def test_an_alert_appears_on_the_open_list_and_in_the_navigation(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("alerts/"))
    wait_until_live(page)
    before = int(page.locator("#nav-alerts").inner_text().split()[0])

    theatre.do("something_is_wrong", title="A flow has stopped")

    expect(page.locator("article", has_text="A flow has stopped")).to_be_visible(timeout=SOON)
    expect(page.locator("#nav-alerts")).to_contain_text(str(before + 1))
    assert page.evaluate("window.notReloaded")


def test_acknowledging_an_alert_changes_it_where_it_stands(page: Page, theatre: Theatre) -> None:
    theatre.do("something_is_wrong", title="Take care of me")
    page.goto(theatre.at("alerts/"))
    wait_until_live(page)
    article = page.locator("article", has_text="Take care of me")

    article.get_by_role("button", name="Acknowledge").click()

    expect(article).to_contain_text("acknowledged by root@acme.test", timeout=SOON)
    expect(article.get_by_role("button", name="Acknowledge")).to_have_count(0)
    assert page.evaluate("window.notReloaded")


def test_a_page_without_its_socket_asks_and_then_catches_up(
    page: Page, theatre: Theatre, watch: Watch
) -> None:
    watch.allowed = OF_A_LOST_SERVER
    page.goto(theatre.at("runs/"))
    wait_until_live(page)

    theatre.close()
    made = theatre.do("arrive", runs=2)
    expect(page.locator("#lost")).to_be_visible()
    theatre.serve()

    expect(page.locator("#live-state")).to_have_text("Live", timeout=30_000)
    expect(page.locator("#arrivals")).to_contain_text("2 new", timeout=SOON)
    expect(page.locator("#lost")).to_be_hidden()
    assert len(made) == 2
    assert page.evaluate("window.notReloaded")


def test_the_overview_says_that_it_is_not_live_and_then_catches_up_without_a_gap(
    page: Page, theatre: Theatre, watch: Watch
) -> None:
    watch.allowed = OF_A_LOST_SERVER
    page.goto(theatre.at())
    wait_until_live(page)
    dead = page.locator("#figures .tile", has_text="Dead letters").locator(".figure")
    before = int(dead.inner_text())

    theatre.close()
    made = theatre.do("arrive", runs=2) + theatre.do("die", field="Unseen__c")["runs"]
    theatre.do("something_is_wrong", title="It opened while nobody was told")
    expect(page.locator("#lost")).to_be_visible()
    expect(page.locator("#live-state")).to_have_text("Asking every 5 s")
    assert shown_runs(page)[0] not in made
    theatre.serve()
    made += theatre.do("arrive", runs=1)  # before the page is back, or just then

    expect(page.locator("#live-state")).to_have_text("Live", timeout=SOON)
    expect(page.locator("#lost")).to_be_hidden()
    for run in made:
        expect(page.locator(f"#last #run-{run}")).to_be_visible(timeout=SOON)
    expect(page.locator("#open-alerts")).to_contain_text("It opened while nobody was told")
    expect(dead).to_have_text(str(before + 1))
    assert page.evaluate("window.notReloaded")
    caught_up = shown_runs(page)
    page.reload()
    assert caught_up == shown_runs(page)


def test_the_overview_names_a_connection_that_rests(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at())
    wait_until_live(page)

    theatre.do("rest", connection=theatre.ids["salesforce"], reason="The API budget is spent")

    expect(page.locator("#figures")).to_contain_text("Salesforce EMEA resting")
    expect(page.locator("#nav-halted")).to_contain_text("1")
