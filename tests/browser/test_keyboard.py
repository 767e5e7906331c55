"""Everything that an operator does daily works with the keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import findings, sign_in

pytestmark = pytest.mark.browser


def focused(page: Page) -> str:
    """Return the text of what has the focus."""
    return str(
        page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''")
    ).strip()


def test_a_person_signs_in_and_out(browser: Browser, theatre: Theatre) -> None:
    context = browser.new_context()
    page = context.new_page()

    sign_in(page, theatre.web, "otto@acme.test")
    page.get_by_role("button", name="Person menu").press("Enter")
    page.get_by_role("button", name="Sign out").press("Enter")

    page.wait_for_url("**/accounts/login/**")
    context.close()


def test_the_first_key_leads_past_the_navigation(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("runs/"))

    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "main"


def test_j_and_k_walk_the_rows_and_enter_opens_one(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("runs/"))
    second = page.locator(".row-link").nth(1).get_attribute("href")

    for key in ("j", "j", "j", "k", "Enter"):
        page.keyboard.press(key)

    page.wait_for_url(f"**{second}")


def test_letters_lead_to_places_and_to_the_search(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at())

    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/runs/")
    page.keyboard.press("/")
    page.keyboard.type(theatre.ids["object"])
    page.keyboard.press("Enter")

    page.wait_for_url("**q=ch_*")
    expect(page.locator(".row-link")).to_have_count(1)


@pytest.mark.parametrize(
    ("letter", "place"),
    [("m", "merges"), ("u", "duplicates"), ("n", "anomalies"), ("b", "budgets"), ("d", "dead-letters")],
)
def test_each_place_has_its_letter(page: Page, theatre: Theatre, letter: str, place: str) -> None:
    page.goto(theatre.at())

    page.keyboard.press("g")
    page.keyboard.press(letter)

    page.wait_for_url(f"**/{place}/**")


def test_causes_are_searched_walked_and_acted_on_by_keys(page: Page, theatre: Theatre) -> None:
    for field in ("Walked_One__c", "Walked_Two__c"):
        theatre.do("die", field=field, runs=2)
    page.goto(theatre.at("dead-letters/"))

    page.keyboard.press("/")
    page.keyboard.type("walked_")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=walked_*")
    expect(page.locator("[data-row]")).to_have_count(2)
    page.keyboard.press("r")  # no cause was gone to, so that none is acted on
    page.keyboard.press("j")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("j")
    second = page.locator("[data-row]").nth(1)
    expect(second).to_be_focused()
    page.keyboard.press("r")
    expect(page.get_by_role("dialog", name="Try one first")).to_contain_text("The oldest of 2 is tried now")
    assert findings(page) == []
    page.keyboard.press("Escape")
    expect(second).to_be_focused()
    page.keyboard.press("x")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Discard")
    dialog.get_by_label("Reason").press_sequentially("Sent twice")
    dialog.get_by_role("button", name="Discard all 2").press("Enter")
    expect(page.locator(".toast")).to_contain_text("2 are discarded")
    expect(page.locator("[data-row]")).to_have_count(1)
    page.keyboard.press("k")
    page.keyboard.press("Enter")

    page.wait_for_url("**/dead-letters/causes/**")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Walked_Two__c")


def test_many_are_retried_only_after_what_that_means_was_seen(page: Page, theatre: Theatre) -> None:
    made = theatre.do("die", field="Retried_Slowly__c", runs=7)
    page.goto(theatre.at(f"dead-letters/causes/{made['fingerprint']}/"))

    page.get_by_role("button", name="Retry all 7").press("Enter")
    dialog = page.get_by_role("dialog", name="Retry all 7")
    expect(dialog).to_contain_text("What it costs")
    assert findings(page) == []
    assert {theatre.do("state_of", run=run) for run in made["runs"]} == {"dead"}
    dialog.get_by_label("How fast").select_option("10")
    dialog.get_by_role("button", name="Retry all 7").press("Enter")

    expect(page.locator("#group-retry")).to_contain_text("1 of 7 retried")
    page.get_by_role("button", name="Stop").press("Enter")
    expect(page.locator("#group-retry")).to_contain_text("6 left alone")
    assert sorted(theatre.do("state_of", run=run) for run in made["runs"]) == ["dead"] * 6 + ["ready"]


def test_an_alert_is_acknowledged_by_a_key_once_it_was_gone_to(page: Page, theatre: Theatre) -> None:
    theatre.do("something_is_wrong", title="Acknowledge me by a key")
    page.goto(theatre.at("alerts/"))
    entry = page.locator("article", has_text="Acknowledge me by a key")

    page.keyboard.press("a")
    for _ in range(page.locator("[data-row]").count()):
        page.keyboard.press("j")
        if entry.evaluate("(one) => one.contains(document.activeElement)"):
            break
    expect(page.get_by_text("acknowledged by")).to_have_count(0)
    page.keyboard.press("a")

    expect(entry).to_contain_text("acknowledged by root@acme.test")
    expect(entry.locator("[data-row]")).to_be_focused()


def test_payments_are_walked_and_their_runs_opened(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("payments/"))
    first = page.locator(".row-link").first
    expect(first).to_be_visible()

    page.keyboard.press("j")

    expect(first).to_be_focused()


def test_a_dead_run_is_retried(page: Page, theatre: Theatre) -> None:
    run = theatre.do("die", field="Retried_Alone__c")["runs"][0]
    page.goto(theatre.at(f"runs/{run}/"))

    page.keyboard.press("r")

    expect(page.locator(".toast")).to_contain_text("It is tried again")
    expect(page.locator("#run .status").first).to_have_text("Queued")
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)
    assert theatre.do("state_of", run=run) == "ready"


def test_every_letter_of_a_cause_is_retried(page: Page, theatre: Theatre) -> None:
    made = theatre.do("die", field="Retried_Together__c", runs=3)
    page.goto(theatre.at("dead-letters/"))

    cause = page.locator("article", has_text="Retried_Together__c")
    cause.get_by_role("button", name="Retry all 3").press("Enter")

    expect(page.locator(".toast")).to_contain_text("3 are tried again")
    expect(page.get_by_text("Retried_Together__c")).to_have_count(0)
    assert {theatre.do("state_of", run=run) for run in made["runs"]} == {"ready"}


def test_a_letter_is_discarded_with_a_reason(page: Page, theatre: Theatre) -> None:
    run = theatre.do("die", field="Discarded__c")["runs"][0]
    page.goto(theatre.at(f"runs/{run}/"))

    page.get_by_role("button", name="Discard").press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert findings(page) == []
    page.keyboard.type("Entered by hand")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert focused(page) == "Discard"
    page.keyboard.press("Enter")

    expect(page.locator(".toast")).to_contain_text("Discarded")
    expect(page.locator("#run .status").first).to_have_text("Discarded")
    expect(page.get_by_text("Entered by hand")).to_be_visible()


def test_the_sheet_of_shortcuts_opens_and_closes(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("flows/"))

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    expect(page.get_by_text("Search this list")).to_be_hidden()  # there is none on this page
    assert findings(page) == []
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()


def test_the_sheet_tells_of_the_search_where_there_is_one(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("runs/"))

    page.get_by_role("button", name="Shortcuts").press("Enter")

    expect(page.get_by_text("Search this list")).to_be_visible()


def test_the_environment_is_changed_from_its_menu(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("runs/"))

    page.locator(".place").press("Enter")
    page.get_by_role("link", name="Production").press("Enter")

    page.wait_for_url("**/w/acme/production/")
    expect(page.locator(".place strong")).to_have_text("Production")


def test_dark_is_chosen_and_kept(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at())
    page.get_by_role("button", name="Person menu").press("Enter")
    page.get_by_label("Dark").press("Space")
    page.goto(theatre.at("flows/"))

    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


@pytest.mark.parametrize("place", ["flows/", "flows/{flow}/"], ids=["in the list", "on its page"])
@pytest.mark.parametrize("by", ["the mouse", "the space bar"])
def test_a_flow_shows_at_once_that_it_is_off_and_on(
    page: Page, theatre: Theatre, place: str, by: str
) -> None:
    page.goto(theatre.at(place.format(**theatre.ids)))
    switch = page.get_by_role("switch")

    def throw() -> None:
        if by == "the mouse":
            switch.click()
        else:
            switch.press("Space")

    throw()
    expect(page.locator("#confirm")).to_contain_text("off in Development?")
    page.get_by_role("button", name="Go on").press("Enter")
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(switch).to_have_text("Off")
    throw()

    expect(switch).to_have_attribute("aria-checked", "true")
    expect(switch).to_have_text("On")


def test_on_a_phone_the_menu_opens(browser: Browser, theatre: Theatre, signed_in: object) -> None:
    context = browser.new_context(storage_state=signed_in, viewport={"width": 390, "height": 844})  # type: ignore[arg-type]  # what Playwright itself returned
    page = context.new_page()
    page.goto(theatre.at())

    page.get_by_role("button", name="Open the menu").press("Enter")
    assert findings(page) == []
    page.get_by_role("link", name="Connections", exact=False).first.press("Enter")

    page.wait_for_url("**/connections/")
    context.close()


def test_an_entry_that_was_given_the_focus_keeps_it_when_the_page_is_read_again(
    page: Page, theatre: Theatre
) -> None:
    theatre.do("something_is_wrong", title="Read me again")
    page.goto(theatre.at("alerts/"))
    entry = page.locator("[data-refresh] article", has_text="Read me again")
    # As after an act whose button is gone.
    entry.evaluate("(one) => { one.setAttribute('tabindex', '-1'); one.focus(); }")

    for _ in range(2):
        page.evaluate(
            """new Promise((done) => {
                document.addEventListener("refreshed", done, { once: true });
                document.dispatchEvent(new Event("refresh"));
            }).then(() => new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next))))"""
        )

    expect(entry).to_be_focused()
