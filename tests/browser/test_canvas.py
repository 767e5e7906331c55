"""Building a flow in the browser: by mouse, by keyboard alone, as JSON, and what the page looks like."""

from __future__ import annotations

import json
import os
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from flows.recipes import catalogue
from tests.browser.conftest import Theatre
from tests.browser.looking import findings, overflow

pytestmark = pytest.mark.browser


def shot(page: Page, name: str) -> None:
    """Keep a picture, where somebody wants to look at it."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


ASK = """
async ([method, path, body]) => {
    const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
    const headers = { "Content-Type": "application/json", "X-CSRFToken": token };
    return (await fetch(`/api/v1/${path}`, { method, headers, body: JSON.stringify(body) })).json();
}
"""
NUMBER = count(1)


def a_draft(page: Page, theatre: Theatre, *steps: dict[str, Any]) -> str:
    """Return the address of a new flow whose draft has these steps, by default those of a template."""
    recipe = catalogue.load("payments").raw
    page.goto(theatre.at("flows/"))
    name = f"Flow {next(NUMBER)} of {os.getpid()}"
    made = page.evaluate(ASK, ["POST", "drafts/", {"integration": "billing", "name": name}])
    edits = [
        {"edit": "set_trigger", "trigger": recipe["trigger"]},
        {"edit": "paste_steps", "steps": list(steps) or recipe["steps"]},
    ]
    changed = page.evaluate(ASK, ["PATCH", f"flows/{made['flow']}/draft/", {"revision": 1, "edits": edits}])
    assert changed["revision"] == 2, changed
    return theatre.at(f"flows/{made['flow']}/design/")


def opened(page: Page, address: str) -> Page:
    """Return the page with the canvas ready."""
    page.goto(address)
    page.locator("#designer[data-ready]").wait_for()
    return page


@pytest.fixture
def design(theatre: Theatre, page: Page) -> Page:
    """Return the canvas of a new flow with the steps of the payments template."""
    return opened(page, a_draft(page, theatre))


def steps(page: Page) -> list[str]:
    """Return the ids of the steps as they stand."""
    return [
        str(one)
        for one in page.evaluate(
            "[...document.querySelectorAll('.flow-node[data-step]')].map((n) => n.dataset.step)"
        )
    ]


def kept(page: Page) -> dict[str, Any]:
    """Return the document once everything is kept."""
    expect(page.locator("#design-saved")).to_have_text("All changes are kept")
    return dict(json.loads(page.locator("#design-document").text_content() or ""))


# Whether what is dragged stands in the list that the target is, or stands in.
ARRIVED = """
([target, below]) => {
    const ghost = document.querySelector(".canvas .sortable-ghost");
    const place = document.querySelector(target);
    if (!ghost || place.matches(".seq")) return Boolean(ghost) && ghost.parentElement === place;
    return ghost === (below ? place.nextElementSibling : place.previousElementSibling);
}
"""


def drag(page: Page, source: str, target: str, *, below: bool = True) -> None:
    """Drag with a real mouse from the middle of `source` to an edge of `target`."""
    page.locator(source).scroll_into_view_if_needed()
    start = page.locator(source).bounding_box()
    assert start
    page.mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(start["x"] + start["width"] / 2 + 12, start["y"] + start["height"] / 2 + 12, steps=4)
    for nudge in range(60):  # the lists make room while one drags, so one follows as a person does
        end = page.locator(target).bounding_box()
        assert end
        y = end["y"] + end["height"] * (0.8 if below else 0.2) + nudge % 2
        page.mouse.move(end["x"] + end["width"] / 2, y, steps=6)
        page.wait_for_timeout(120)
        if nudge > 2 and page.evaluate(ARRIVED, [target, below]):
            break
    page.mouse.up()


SMALL = (
    {"id": "first", "kind": "alert", "title": "First", "settings": {"title": "one"}},
    {
        "id": "large",
        "kind": "condition",
        "title": "Is it large?",
        "settings": {"all": [{"path": "charge.amount", "is": "greater", "value": 5}]},
        "exits": {"yes": [{"id": "inner", "kind": "wait", "title": "Rest", "settings": {"days": 1}}]},
    },
    {"id": "last", "kind": "wait", "title": "Last", "settings": {"days": 1}},
)


@pytest.fixture
def small(theatre: Theatre, page: Page) -> Page:
    """Return the canvas of a flow with a branch."""
    return opened(page, a_draft(page, theatre, *SMALL))


def outline(document: dict[str, Any]) -> list[Any]:
    """Return the ids of a document's steps as they stand in each other."""

    def of(found: list[dict[str, Any]]) -> list[Any]:
        return [
            (step["id"], {way: of(branch) for way, branch in step["exits"].items()})
            if step.get("exits")
            else step["id"]
            for step in found
        ]

    return of(document["steps"])


def becomes(page: Page, after: list[Any]) -> None:
    """Wait until the kept document has these steps."""
    for _ in range(400):
        if outline(kept(page)) == after:
            return
        page.wait_for_timeout(50)
    assert outline(kept(page)) == after


BEFORE = ["first", ("large", {"yes": ["inner"]}), "last"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_canvas_keeps_to_its_place_and_to_the_rules(design: Page, scheme: Any) -> None:
    design.emulate_media(color_scheme=scheme)
    assert (overflow(design), findings(design)) == (0, [])

    design.locator("#card-find_customer").click()
    expect(design.locator("#panel h2")).to_have_text("Find a record")
    shot(design, f"canvas-{scheme}")
    assert (overflow(design), findings(design)) == (0, [])

    design.set_viewport_size({"width": 1024, "height": 768})
    assert overflow(design) == 0

    design.get_by_role("button", name="Publish…").click()
    shot(design, f"publish-{scheme}")
    assert findings(design) == []
    design.keyboard.press("Escape")
    design.locator("#card-find_customer").press("+")
    shot(design, f"picker-{scheme}")
    assert findings(design) == []


def test_steps_are_dragged_from_the_palette_and_between_branches(small: Page) -> None:
    drag(small, ".palette-item[data-kind='alert']", "#node-inner")
    expect(small.locator("#card-alert")).to_be_visible()
    becomes(small, ["first", ("large", {"yes": ["inner", "alert"]}), "last"])

    drag(small, "#card-last", "#seq-large-no")
    expect(small.locator("#design-saved")).to_have_text("All changes are kept")
    becomes(small, ["first", ("large", {"yes": ["inner", "alert"], "no": ["last"]})])

    drag(small, "#card-inner", "#node-first", below=False)
    expect(small.locator("#seq-root > .flow-node").first).to_have_attribute("data-step", "inner")
    becomes(small, ["inner", "first", ("large", {"yes": ["alert"], "no": ["last"]})])
    expect(small.locator("#panel[data-step='inner'] h2")).to_have_text("Wait")
    shot(small, "dragged")


def test_a_flow_is_built_by_the_keyboard_alone(small: Page) -> None:
    page, keys = small, small.keyboard
    page.locator("#card-trigger").focus()
    keys.press("ArrowDown")
    expect(page.locator("#card-first")).to_be_focused()

    keys.press("+")
    keys.type("ale")
    expect(page.locator("#picker-list [aria-selected=true] strong")).to_have_text("Alert")
    keys.press("Enter")
    expect(page.locator("#card-alert")).to_be_focused()
    becomes(page, ["first", "alert", *BEFORE[1:]])

    keys.press("Enter")  # leads to what is missing
    expect(page.locator("[id='f-alert-title']")).to_be_focused()
    keys.type("A charge {charge.id}")
    keys.press("Tab")
    expect(page.locator("#panel [aria-invalid]")).to_have_count(0)
    keys.press("F6")
    keys.press("Shift+F6")
    expect(page.locator("#panel-title")).to_be_focused()  # the first field, where nothing is missing any more
    keys.type("Tell us")
    keys.press("Escape")
    expect(page.locator("#card-alert")).to_be_focused()
    expect(page.locator("#card-alert strong")).to_have_text("Tell us")
    expect(page.locator("#problems")).to_contain_text("Nothing stands in the way")
    assert kept(page)["steps"][1]["settings"]["title"] == "A charge {charge.id}"
    keys.press("p")
    expect(page.locator("#publish-note")).to_be_focused()


def test_a_card_that_has_the_focus_shows_what_was_kept_of_it(small: Page) -> None:
    held: list[Route] = []

    def hold(request: Route) -> None:
        held.append(request)

    small.route("**/settings/**", hold)
    small.locator("#card-first").click()
    small.locator("#panel-title").fill("Look at the charge")
    small.keyboard.press("Escape")
    expect(small.locator("#card-first")).to_be_focused()

    held.pop().continue_()
    expect(small.locator("#card-first strong")).to_have_text("Look at the charge")


KEYS = [
    ("last", "Alt+ArrowUp", ["first", "last", ("large", {"yes": ["inner"]})]),
    ("first", "Alt+ArrowDown", [("large", {"yes": ["inner"]}), "first", "last"]),
    ("last", "Alt+ArrowRight", ["first", ("large", {"yes": ["inner", "last"]})]),
    ("inner", "Alt+ArrowLeft", ["first", "large", "inner", "last"]),
    ("inner", "Alt+ArrowRight", ["first", ("large", {"no": ["inner"]}), "last"]),
    ("last", "Control+d", [*BEFORE, "last_2"]),
    ("last", "Delete", BEFORE[:2]),
]


def said(page: Page, word: str) -> None:
    """Wait until a screen reader would hear `word`."""
    expect(page.locator("#announcer")).to_contain_text(word)


def test_each_key_changes_the_tree_and_is_taken_back_and_made_again_after_a_reload(small: Page) -> None:
    page, keys = small, small.keyboard
    for step, pressed, after in KEYS:
        page.locator(f"#card-{step}").focus()
        keys.press(pressed)
        becomes(page, after)
        opened(page, page.url)
        page.locator("#card-trigger").focus()
        keys.press("Control+z")
        becomes(page, BEFORE)
        keys.press("Control+Shift+z")
        becomes(page, after)
        keys.press("Control+z")
        becomes(page, BEFORE)
    said(page, "Taken back: Removed “Last”")


def test_what_is_removed_comes_back_with_a_click(small: Page) -> None:
    small.locator("#card-large").press("Delete")
    toast = small.locator("#design-toast")
    expect(toast).to_contain_text("Removed “Is it large?” with 1 step behind it")

    toast.get_by_role("button", name="Undo").click()

    expect(small.locator("#card-inner")).to_be_visible()
    becomes(small, BEFORE)


def test_steps_are_copied_and_pasted_as_json(context: BrowserContext, small: Page) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    small.locator("#card-large").focus()
    small.keyboard.press("Control+c")
    said(small, "Copied")
    copied = json.loads(small.evaluate("navigator.clipboard.readText()"))
    small.locator("#card-last").focus()
    small.keyboard.press("Control+v")

    expect(small.locator("#card-large_2")).to_be_focused()
    assert [step["id"] for step in copied] == ["large"]
    becomes(small, [*BEFORE, ("large_2", {"yes": ["inner_2"]})])


def test_a_problem_is_shown_at_its_step_and_at_its_field_and_stops_publishing(small: Page) -> None:
    small.locator(".palette-item[data-kind='salesforce.upsert'] button").click()
    expect(small.locator("#card-upsert .count")).to_contain_text("3 problems")
    small.locator("#card-first").click()
    expect(small.locator("#panel h2")).to_have_text("Alert")

    small.get_by_role("button", name="object: This is required").click()

    expect(small.locator("#panel h2")).to_have_text("Save a record")
    expect(small.locator("[id='f-upsert-object-field'] .errors")).to_have_text("This is required")
    small.get_by_role("button", name="Publish…").click()
    expect(small.get_by_role("button", name="Publish", exact=True)).to_be_disabled()


def test_a_version_is_published_with_its_differences_and_a_note(small: Page) -> None:
    small.get_by_role("button", name="Publish…").click()
    small.locator("#publish-note").fill("The first")
    small.get_by_role("button", name="Publish", exact=True).click()
    small.wait_for_url("**/?version=1")
    opened(small, small.url.partition("?")[0] + "design/")
    small.locator("#card-last").press("Delete")
    said(small, "Removed")

    small.get_by_role("button", name="Publish…").click()

    expect(small.locator(".differences")).to_have_text("removed Last")


def test_elements_of_a_list_are_added_and_removed_in_the_form(small: Page) -> None:
    small.locator("#card-large").click()
    small.locator("#add-large-all").click()
    paths = small.locator("[id='f-large-all.1.path.0']")
    paths.fill("charge.currency")
    paths.blur()
    small.locator("[id='f-large-all.1.is']").select_option("equal")
    value = small.locator("[id='f-large-all.1.value']")
    value.fill("eur")
    value.blur()
    expect(small.locator("#card-large .sub").first).to_contain_text("charge.currency is eur")
    assert kept(small)["steps"][1]["settings"]["all"][1] == {
        "path": ["charge.currency"],
        "is": "equal",
        "value": "eur",
    }

    small.get_by_role("button", name="Remove Comparison 1").click()

    expect(small.locator("[id='f-large-all.1.path.0']")).to_have_count(0)
    assert len(kept(small)["steps"][1]["settings"]["all"]) == 1
