"""Two records of one customer are compared, chosen from and merged, on a laptop and on a phone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import clipped, crowded, findings, overflow, resized
from tests.browser.test_hostile_texts import SIGN

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]  # a machine that may be busy


def compare(page: Page, town: str, ids: dict[str, str]) -> None:
    """Open the page that compares two records."""
    page.goto(f"{town}merges/new/?object=Account&ids={ids['kept']},{ids['gone']}")
    expect(page.get_by_role("heading", name="Fields that differ")).to_be_visible()


def field(page: Page, label: str) -> Locator:
    """Return the row of a field."""
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=re.compile(rf"^{label}\b")))


def wrong(page: Page) -> list[str]:
    """Return what is wrong with the page on a laptop and on a phone."""
    found = []
    for width in (390, 1280):
        resized(page, width)
        found += [f"{width}: {overflow(page)} too wide"] if overflow(page) > 0 else []
        found += [f"{width}: {place}" for place in (*clipped(page), *crowded(page), *findings(page))]
    return found


@pytest.mark.parametrize("width", [1280, 390])
def test_survivors_are_chosen_and_the_records_become_one(
    newcomer: Page, theatre: Theatre, town: str, width: int
) -> None:
    page, ids = newcomer, theatre.do("twins", name=f"Quill {width}")
    resized(page, width)
    compare(page, town, ids)

    # Whose values survive: by preset, then field by field, then of the other record altogether.
    expect(field(page, "Name").get_by_role("radio").first).to_be_checked()
    expect(field(page, "Phone").get_by_role("radio").nth(1)).to_be_checked()  # one has none
    page.get_by_role("link", name="Most complete").click()
    expect(page.get_by_role("link", name="Most complete")).to_have_attribute("aria-current", "page")
    moving = page.get_by_role("region", name="What moves in Salesforce")
    expect(moving.get_by_role("row", name="Contact AccountId")).to_contain_text(re.compile(r"0\s*3"))
    page.get_by_role("link", name="Kept record").click()
    field(page, "Name").get_by_role("radio").nth(1).check()
    field(page, "Description").get_by_role("radio").nth(1).check()  # the empty one, on purpose
    assert wrong(page) == []
    resized(page, width)

    # What would happen, which is not done yet.
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.locator("#merge")).to_contain_text("Nothing has changed yet")
    assert set(theatre.do("accounts")) >= set(ids.values())
    expect(page.get_by_role("row", name=re.compile("^Name"))).to_contain_text(f"Quill {width}")
    expect(page.get_by_role("row", name=re.compile("^Description"))).to_contain_text("Knows us")
    assert wrong(page) == []
    resized(page, width)

    # It is done while one looks, and the page says how to take it back.
    page.get_by_label("These records are the same customer").check()
    page.get_by_role("button", name="Merge 2 records").click()
    expect(page.locator("#merge-progress")).to_contain_text("You can leave this page")
    assert theatre.do("merge") == 1
    expect(page.locator("#merge")).to_contain_text("The records are one now")
    left = theatre.do("accounts")
    assert ids["gone"] not in left or left[ids["gone"]].get("IsDeleted")
    assert (left[ids["kept"]]["Name"], left[ids["kept"]].get("Description")) == (f"Quill {width}", None)
    undo = page.locator("#undo").locator("xpath=ancestor::section")
    expect(undo).to_contain_text(ids["gone"])
    expect(undo).to_contain_text("3 × Contact")
    expect(undo).to_contain_text("Knows us")
    with page.expect_download() as waiting:
        undo.get_by_role("link", name="Both records as they were").click()
    told: Any = json.loads(waiting.value.path().read_text())
    assert ids["gone"] in json.dumps(told)
    assert wrong(page) == []


def test_which_record_is_kept_can_be_turned_round(newcomer: Page, theatre: Theatre, town: str) -> None:
    page, ids = newcomer, theatre.do("twins", name="Round")
    compare(page, town, ids)

    page.get_by_role("link", name=f"Round, {ids['gone']}").click()

    expect(page.get_by_role("link", name=f"Round Ltd, {ids['kept']}")).to_be_visible()
    expect(field(page, "Name").get_by_role("radio", name="Name of Round: Round")).to_be_checked()
    moving = page.get_by_role("region", name="What moves in Salesforce")
    expect(moving.get_by_role("row", name="Contact AccountId")).to_contain_text(re.compile(r"3\s*0"))


def test_a_refusal_is_shown_with_its_reason_and_a_way_on(newcomer: Page, theatre: Theatre, town: str) -> None:
    page, ids = newcomer, theatre.do("twins", name="Changed")
    compare(page, town, ids)
    page.get_by_role("button", name="Show what would happen").click()
    theatre.do("rename", account=ids["gone"], name="Somebody else")

    page.get_by_label("These records are the same customer").check()
    page.get_by_role("button", name="Merge 2 records").click()
    expect(page.locator("#merge-progress")).to_be_visible()
    theatre.do("merge")

    expect(page.locator("#merge")).to_contain_text("Nothing was merged")
    expect(page.locator("#merge")).to_contain_text("changed")
    assert set(theatre.do("accounts")) >= set(ids.values())
    assert wrong(page) == []
    page.get_by_role("link", name="Look again").click()
    expect(field(page, "Name")).to_contain_text("Somebody else")


def test_what_cannot_be_compared_says_why_and_asks_again(newcomer: Page, theatre: Theatre, town: str) -> None:
    page, ids = newcomer, theatre.do("twins", name="Alone")

    page.goto(f"{town}merges/new/?object=Account&ids={ids['kept']}")

    expect(page.get_by_role("alert")).to_contain_text("cannot be compared")
    expect(page.get_by_role("button", name="Compare")).to_be_visible()
    assert wrong(page) == []


def test_a_hostile_name_is_only_a_name_where_records_are_compared(
    newcomer: Page, theatre: Theatre, town: str
) -> None:
    page = newcomer
    ids = theatre.do("twins", name=f"{SIGN}\u202egnp{'W' * 120}")
    compare(page, town, ids)

    assert page.get_by_text(SIGN).count() >= 4
    assert page.locator("img").count() == 0
    assert wrong(page) == []
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.locator("#merge")).to_contain_text(SIGN)
    assert page.locator("img").count() == 0
    assert wrong(page) == []
