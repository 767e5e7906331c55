"""A question is answered with the keyboard alone, on a phone too, and never by two people at once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Browser, Page, expect

from flows.overwriting import Foretold, Written
from flows.trials.current import Compared, Row
from flows.trials.results import Record
from tests.browser.conftest import Theatre
from tests.browser.looking import Watch, findings, overflow, resized

pytestmark = pytest.mark.browser

SECOND = "001000000000002AAA"


def focused(page: Page) -> str:
    """Return the value of the answer that has the focus."""
    return str(page.evaluate("document.activeElement.value || ''"))


def deafen(page: Page) -> None:
    """Let the page open its socket and never hear from it, so that it still shows what was true before."""
    page.route_web_socket(re.compile("/live/"), lambda _: None)


def test_from_anywhere_to_the_answer_by_keys_alone(page: Page, theatre: Theatre) -> None:
    made = theatre.do("ask")
    page.goto(theatre.at())

    for key in ("g", "q"):
        page.keyboard.press(key)
    page.wait_for_url("**/questions/")
    page.keyboard.press("j")  # the newest stands first
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/questions/{made['question']}/")
    page.keyboard.press("2")
    assert focused(page) == SECOND
    assert theatre.do("state_of", run=made["run"]) == "waiting"  # choosing is not answering
    page.keyboard.press("Enter")

    expect(page.locator(".toast")).to_contain_text("The run goes on with your answer")
    expect(page.locator("#question")).to_contain_text("Answered by root@acme.test")
    expect(page.get_by_role("button", name="Discard")).to_have_count(0)
    assert theatre.do("state_of", run=made["run"]) == "ready"
    page.get_by_role("link", name="Next question").press("Enter")
    page.wait_for_url(lambda address: "/questions/" in address and made["question"] not in address)


def test_it_is_answered_by_the_tab_key_where_single_keys_are_off(page: Page, theatre: Theatre) -> None:
    made = theatre.do("ask")
    page.goto(theatre.at(f"questions/{made['question']}/"))
    page.evaluate("localStorage.setItem('keys', 'off')")
    page.reload()

    page.keyboard.press("3")
    assert focused(page) == ""
    page.locator("#main").focus()
    while not focused(page).startswith("none"):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")

    expect(page.locator("#question")).to_contain_text("Answered by root@acme.test")
    assert theatre.do("state_of", run=made["run"]) == "ready"


def test_a_question_is_discarded_with_a_reason(page: Page, theatre: Theatre) -> None:
    made = theatre.do("ask")
    page.goto(theatre.at(f"questions/{made['question']}/"))

    page.get_by_role("button", name="Discard with a reason").press("Enter")
    expect(page.get_by_role("dialog", name="Discard this question?")).to_be_visible()
    assert findings(page) == []
    page.keyboard.type("A test payment")
    page.keyboard.press("1")  # in a text it is a letter like any other
    page.get_by_role("dialog").get_by_role("button", name="Discard").press("Enter")

    expect(page.locator("#question")).to_contain_text("Discarded by root@acme.test")
    assert theatre.do("state_of", run=made["run"]) == "done"


def test_who_comes_second_is_told_kindly_and_sees_the_answer(
    page: Page, watch: Watch, theatre: Theatre
) -> None:
    made = theatre.do("ask")
    watch.allowed = ("409",)
    deafen(page)
    page.goto(theatre.at(f"questions/{made['question']}/"))
    theatre.do("answer", question=made["question"], value="none")

    page.keyboard.press("1")
    page.keyboard.press("Enter")

    expect(page.locator(".toast")).to_contain_text("already answered by otto@acme.test")
    expect(page.locator("#question")).to_contain_text("None of them")


def test_an_open_page_shows_what_somebody_else_answered(page: Page, theatre: Theatre) -> None:
    made = theatre.do("ask")
    page.goto(theatre.at(f"questions/{made['question']}/"))
    page.wait_for_timeout(500)

    theatre.do("answer", question=made["question"], value=SECOND)

    expect(page.locator("#question")).to_contain_text("Answered by otto@acme.test")


def test_the_list_and_the_navigation_tell_of_a_new_question(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("questions/"))
    before = int(page.locator("#nav-questions").inner_text().split()[0])

    theatre.do("ask")

    expect(page.locator("#nav-questions")).to_contain_text(str(before + 1))
    expect(page.locator("#arrivals")).to_contain_text("The list has changed")


def test_on_a_phone_records_stand_one_under_the_other(
    browser: Browser, theatre: Theatre, signed_in: Any
) -> None:
    made = theatre.do("ask")
    context = browser.new_context(
        storage_state=signed_in, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(theatre.at(f"questions/{made['question']}/"))

    lefts = {round(box.bounding_box()["x"]) for box in page.locator(".choice").all()}  # type: ignore[index]  # they are visible
    assert len(lefts) == 1
    assert overflow(page) <= 0
    page.locator(".choice button").nth(1).tap()

    expect(page.locator("#question")).to_contain_text("Answered by root@acme.test")
    assert theatre.do("state_of", run=made["run"]) == "ready"
    context.close()


# What an answer would write over


def test_what_would_be_written_is_asked_for_by_keys_alone_and_stands_under_each_record(
    page: Page, theatre: Theatre
) -> None:
    # In the words of the server, whose tests are others: here it would ask an org that is not there.
    row = Row("Phone", "555-2", "555-1 and more that is as long as a value may well be", "changed")
    written = Written(Compared(Record("Account", "Id", SECOND, {}), "read", True, [row]), is_chosen=True)
    told = [Foretold(SECOND, name, [written], "done") for name in ("Acme", "Acme Ltd")]
    html = render_to_string("flows/_foretold.html", {"foretold": told})
    page.route("**/foretell/", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(theatre.at(f"questions/{theatre.ids['duplicate']}/"))

    page.get_by_role("button", name="What would be written?").press("Enter")

    shown = page.locator("#foretold section")
    expect(shown).to_have_count(2)
    expect(shown.first).to_contain_text("555-1")
    expect(shown.first.locator("ins")).to_have_text("555-2")
    assert findings(page) == []
    resized(page, 390)
    assert overflow(page) <= 0


# What was left out, and what is held


def test_what_was_left_out_is_done_after_asking_once_more(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("effects/?state=skipped"))

    page.get_by_role("button", name="Create a task").press("Enter")
    expect(page.locator("#confirm")).to_contain_text("Whatever else was left out of the same event")
    assert findings(page) == []
    page.get_by_role("button", name="Go on").press("Enter")

    expect(page.locator(".toast")).to_contain_text("A run does it now")


def test_a_held_flow_is_let_go(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("flows/", environment="production"))
    expect(page.locator("#held")).to_contain_text("Card_Brand__c")

    page.get_by_role("button", name="Try now").press("Enter")

    expect(page.locator(".toast")).to_contain_text("If the cause is still there, the flow is held again")
    expect(page.locator("#held .banner")).to_have_count(0)
