"""The mapper against an earlier version, sure suggestions, fixed values, and what goes wrong midway."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.looking import Watch, findings, overflow
from tests.browser.mapper import Start

pytestmark = pytest.mark.browser

ID = {"field": "External_ID__c", "from": ["charge.id"]}
STATUS = {"field": "Charge_ID__c", "from": ["charge.status"]}
BRAND = {"field": "Card_Brand__c", "from": ["charge.currency"]}


def test_what_changed_since_a_version_is_shown_told_and_put_back(start: Start, page: Page) -> None:
    mapper = start([ID, STATUS, BRAND])
    expect(page.locator("#mapper-changed")).to_have_count(0)  # there is nothing to compare with
    mapper.theatre.do("publish", slug=mapper.slug)
    mapper.open()
    mapper.field("Card_Brand__c").press("Delete")
    mapper.source("charge.currency").click()
    mapper.field("Charge_ID__c").click()
    mapper.saved()

    page.locator("#mapper-changed").press("Space")

    told = "2 fields differ from version 1: 1 changed, 1 removed."
    expect(page.locator("#announcer")).to_contain_text(told)
    expect(mapper.field("External_ID__c")).to_be_hidden()
    expect(mapper.field("Card_Brand__c")).to_contain_text("removed")
    expect(page.locator("#mapper-lines .gone")).to_have_count(1)
    assert re.search(r"changed=yes.*since=1", page.url)
    found = findings(page)
    page.set_viewport_size({"width": 390, "height": 844})
    found += [*findings(page), *(["too wide"] if overflow(page) else [])]
    page.set_viewport_size({"width": 1280, "height": 800})
    assert found == []

    mapper.open_at(page.url)
    expect(mapper.field("External_ID__c")).to_be_hidden()  # the address remembers what is looked at
    mapper.field("Card_Brand__c").press("ArrowRight")
    page.keyboard.press("Enter")
    mapper.field("Charge_ID__c").get_by_role("button", name="Restore Charge_ID__c as in version 1").click()
    expect(page.locator("#mapper-to .mapper-differs")).to_have_count(0)
    assert {line["field"]: line["from"] for line in mapper.saved()} == {
        line["field"]: line["from"] for line in (ID, STATUS, BRAND)
    }


def test_sure_suggestions_are_accepted_together_and_taken_back_together(start: Start, page: Page) -> None:
    mapper = start([ID])

    page.get_by_role("button", name="Suggest").press("Enter")
    accept = page.locator("#mapper-accept-sure")
    expect(accept).to_contain_text("complete and 90 % sure or more")
    assert findings(page) == []
    accept.press("Enter")

    expect(page.locator("#mapper-hint")).to_contain_text("accepted. Undo takes them back together.")
    taken = len(mapper.saved()) - 1
    assert taken > 1
    assert page.locator("#mapper-offers").is_visible()  # what is less sure waits for a person
    page.keyboard.press("Control+z")
    expect(page.locator("#mapper-count")).to_have_text("1 mapped")
    assert mapper.saved() == [ID]


def test_a_field_gets_a_fixed_value_of_its_picklist(start: Start, page: Page) -> None:
    mapper = start()
    mapper.field("Status__c").focus()

    page.keyboard.press("=")
    page.get_by_role("dialog", name="Status__c").get_by_label("Value", exact=True).fill("Completed")
    page.keyboard.press("Control+Enter")

    expect(mapper.field("Status__c").locator(".mapper-value")).to_have_text("Completed")
    assert mapper.saved()[0]["chips"] == [{"chip": "constant", "value": "Completed"}]


def test_a_connection_that_is_lost_while_one_drags_loses_nothing(
    start: Start, page: Page, watch: Watch
) -> None:
    watch.allowed = ("ERR_INTERNET_DISCONNECTED", "ERR_NETWORK_CHANGED", "WebSocket")
    mapper = start([{"field": "Gone__c", "from": ["charge.id"]}])
    expect(mapper.field("Gone__c")).to_contain_text("not in the org")
    box = mapper.source("charge.currency").bounding_box()
    end = mapper.field("Charge_ID__c").bounding_box()
    assert box is not None
    assert end is not None

    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(760, 300, steps=3)
    page.context.set_offline(True)
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=4)
    page.mouse.up()
    mapper.field("Gone__c").press("Delete")
    expect(page.locator("#mapper-saved")).to_have_text("2 changes not sent yet")
    page.context.set_offline(False)

    assert mapper.saved() == [{"field": "Charge_ID__c", "from": ["charge.currency"]}]
