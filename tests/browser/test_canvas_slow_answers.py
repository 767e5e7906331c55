"""The canvas while the server takes its time: its answers do not disturb what a person does meanwhile."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import Watch
from tests.browser.test_canvas import ASK, SMALL, a_draft, becomes, opened

pytestmark = pytest.mark.browser


@pytest.fixture
def small(theatre: Theatre, page: Page) -> Page:
    """Return the canvas of a flow with a branch."""
    return opened(page, a_draft(page, theatre, *SMALL))


def held(page: Page, address: str, *, times: int | None = None) -> list[Route]:
    """Return the requests to an address that wait for their answer, the first `times` of them or all."""
    waiting: list[Route] = []

    def hold(request: Route) -> None:
        waiting.append(request)

    page.route(address, hold, times=times)
    return waiting


def arrives(page: Page, waiting: list[Route]) -> Route:
    """Return the request that waits, once it does."""
    for _ in range(200):
        if waiting:
            return waiting.pop(0)
        page.wait_for_timeout(50)
    raise AssertionError("no such request was made")


def answer(page: Page, request: Route) -> None:
    """Let the server answer, and give the page time to take it."""
    with page.expect_response(request.request.url):
        request.continue_()
    page.wait_for_timeout(200)


def test_who_types_on_in_the_form_is_not_called_back_to_its_first_field(small: Page) -> None:
    small.locator("#card-first").click()
    small.locator("#panel[data-step='first']").wait_for()
    looks = held(small, "**/parts/**")
    small.locator("#card-first").press("Enter")
    expect(small.locator("#panel-title")).to_be_focused()

    small.keyboard.press("Tab")
    reached = small.evaluate("document.activeElement.id")
    assert reached != "panel-title"
    answer(small, arrives(small, looks))

    assert small.evaluate("document.activeElement.id") == reached


def test_the_form_of_another_step_takes_nothing_while_the_chosen_one_is_asked_for(small: Page) -> None:
    small.locator("#card-first").click()
    small.locator("#panel[data-step='first']").wait_for()
    looks = held(small, "**/parts/**")
    small.locator("#card-last").press("Enter")
    asked = arrives(small, looks)

    small.locator("#panel-title").focus()
    expect(small.locator("#card-last")).to_be_focused()
    answer(small, asked)

    expect(small.locator("#panel[data-step='last'] #panel-title")).to_be_focused()


def test_a_form_that_cannot_be_fetched_leaves_the_one_that_is_there_usable(small: Page) -> None:
    small.locator("#card-first").click()
    small.locator("#panel[data-step='first']").wait_for()
    looks = held(small, "**/parts/**")
    small.locator("#card-last").press("Enter")
    arrives(small, looks).fulfill(status=204)
    small.unroute("**/parts/**")
    small.wait_for_timeout(200)

    small.locator("#panel-title").focus()
    expect(small.locator("#panel-title")).to_be_focused()


def test_an_answer_waits_until_a_step_that_is_being_dragged_lies_somewhere(small: Page) -> None:
    edits = held(small, "**/edits/**")
    small.locator(".palette-item[data-kind='alert']").click()
    added = arrives(small, edits)
    start, end = small.locator("#card-last").bounding_box(), small.locator("#card-first").bounding_box()
    assert start
    assert end
    small.mouse.move(start["x"] + 60, start["y"] + start["height"] / 2)
    small.mouse.down()
    small.mouse.move(start["x"] + 70, start["y"], steps=6)
    expect(small.locator("#canvas.is-dragging")).to_be_visible()

    answer(small, added)
    expect(small.locator("#card-alert")).to_have_count(0)
    for nudge in range(6):
        small.mouse.move(end["x"] + 60, end["y"] + 4 + nudge % 2, steps=4)
        small.wait_for_timeout(120)
    small.unroute("**/edits/**")
    small.mouse.up()

    becomes(small, ["last", "first", ("large", {"yes": ["inner"]}), "alert"])


def test_a_step_that_is_added_late_takes_nobody_out_of_the_form_they_are_in(small: Page) -> None:
    edits = held(small, "**/edits/**")
    small.locator(".palette-item[data-kind='alert'] button").click()
    added = arrives(small, edits)
    small.locator("#card-first").click()
    small.locator("#panel[data-step='first']").wait_for()
    small.locator("#panel-title").fill("Look at the charge")

    answer(small, added)

    expect(small.locator("#card-alert")).to_be_visible()
    expect(small.locator("#panel[data-step='first'] #panel-title")).to_be_focused()
    expect(small.locator("#panel-title")).to_have_value("Look at the charge")


def test_an_answer_from_before_a_change_of_ones_own_does_not_take_it_back(small: Page) -> None:
    looks = held(small, "**/parts/?step=last", times=1)
    small.locator("#card-last").click()
    asked = arrives(small, looks)
    before = asked.fetch()
    small.locator("#card-last").press("Alt+ArrowUp")
    becomes(small, ["first", "last", ("large", {"yes": ["inner"]})])

    asked.fulfill(response=before)
    small.locator("#panel:not([inert])").wait_for()
    small.locator("#card-last").press("Alt+ArrowUp")

    becomes(small, ["last", "first", ("large", {"yes": ["inner"]})])
    expect(small.locator("#design-conflict")).to_be_hidden()


def test_publishing_waits_for_the_change_that_is_on_its_way_and_keeps_the_note(small: Page) -> None:
    forms = held(small, "**/settings/**")
    small.locator("#card-first").click()
    small.locator("#panel[data-step='first'] #panel-title").fill("Look at the charge")
    small.get_by_role("button", name="Publish…").click()
    sent = arrives(small, forms)
    small.locator("#publish-note").fill("The first")
    small.get_by_role("button", name="Publish", exact=True).dblclick()

    answer(small, sent)

    small.wait_for_url("**/?version=1")
    expect(small.get_by_text("Look at the charge").first).to_be_visible()


def test_nothing_is_published_while_it_is_checked_and_a_refusal_stands_in_the_dialog(
    small: Page, watch: Watch
) -> None:
    watch.allowed = ("409",)
    checks = held(small, "**/checks/")
    small.locator("#card-last").press("Delete")
    publish = small.get_by_role("button", name="Publish", exact=True)
    small.get_by_role("button", name="Publish…").click()
    small.locator("#publish-note").fill("The first")
    checked = arrives(small, checks)
    expect(publish).to_be_disabled()
    expect(small.locator("#publish-standing")).to_have_text("Being checked…")

    answer(small, checked)
    toast = '{"toast": {"message": "Somebody was quicker.", "level": "error"}}'
    headers = {"HX-Trigger": toast, "Content-Type": "text/plain"}
    small.route("**/design/publish/", lambda route: route.fulfill(status=409, body="No", headers=headers))
    publish.click()

    expect(small.get_by_role("dialog").get_by_role("alert")).to_contain_text("Somebody was quicker.")


def test_what_others_change_comes_into_the_dialog_only_when_it_is_asked_for(small: Page) -> None:
    small.get_by_role("button", name="Publish…").click()
    seen = small.locator("#publish-body [name='@revision']")
    expect(seen).to_have_value("2")
    change = {"revision": 2, "edits": [{"edit": "set_title", "step": "last", "title": "A rest"}]}
    flow = small.url.split("/flows/")[1].partition("/")[0]
    small.evaluate(ASK, ["PATCH", f"flows/{flow}/draft/", change])

    news = small.locator("#publish-news")
    expect(news).to_contain_text("Renamed “Last” to “A rest”")
    expect(seen).to_have_value("2")
    news.get_by_role("button", name="Show what is new").click()

    expect(seen).to_have_value("3")
    expect(news).to_be_hidden()


def test_an_arrow_that_is_pressed_before_the_list_is_there_chooses_from_it(small: Page) -> None:
    offers = held(small, "**/offers/**")
    small.locator("#card-trigger").click()
    field = small.locator("[id='f-trigger-types.0']")
    field.fill("invoice.pa")
    typed = arrives(small, offers)
    field.press("ArrowDown")
    asked = arrives(small, offers)
    answer(small, typed)  # overtaken
    expect(small.locator("#combobox")).to_be_hidden()

    answer(small, asked)
    small.keyboard.press("Enter")

    expect(field).to_have_value("invoice.paid")


def test_a_button_that_is_pressed_again_until_its_page_comes_sends_nothing_more(
    small: Page, theatre: Theatre
) -> None:
    small.goto(theatre.at("flows/"))
    small.get_by_role("button", name="New flow…").click()
    small.get_by_label("Name").fill("Pressed twice")
    starts = held(small, "**/flows/new/")

    small.evaluate(
        """() => {
            const button = document.querySelector("#new-flow .primary");
            button.click();
            setTimeout(() => button.click(), 300);
        }"""
    )
    first = arrives(small, starts)
    small.wait_for_timeout(600)

    assert starts == []
    first.continue_()
    small.locator("#designer[data-ready]").wait_for()
