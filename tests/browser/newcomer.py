"""This module is a newcomer who builds a flow: with a mouse, or at the keyboard; what is done is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:  # the theatre starts with what this package makes
    from tests.browser.conftest import Theatre

LONGEST_WAY = 60  # presses of one key that lead somewhere: more would be nobody's way
HAS_FOCUS = "(element) => element === document.activeElement"


class Newcomer:
    """
    A person who sees the product for the first time.

    An action is a click, a drag, a text that is typed, a key, or one key pressed until something is reached.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.actions = 0

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self.actions += 1
        self.page.keyboard.type(text)


class WithAMouse(Newcomer):
    """Clicks and drags; the keyboard only writes texts."""

    def click(self, what: Locator) -> None:
        """Click on something."""
        self.actions += 1
        what.click()

    def write(self, into: Locator, text: str) -> None:
        """Click into a field and write a text."""
        self.click(into)
        self.type(text)

    def choose(self, field: Locator, label: str) -> None:
        """Open a list of choices and click on one."""
        self.actions += 2
        field.select_option(label=label)

    def drag(self, source: Locator, target: Locator) -> None:
        """Drag from one thing to another."""
        self.actions += 1
        source.scroll_into_view_if_needed()
        target.scroll_into_view_if_needed()
        start, end = source.bounding_box(), target.bounding_box()
        assert start is not None
        assert end is not None
        mouse = self.page.mouse
        mouse.move(start["x"] + start["width"] / 2, start["y"] + start["height"] / 2)
        mouse.down()
        mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=6)
        mouse.up()


class AtTheKeyboard(Newcomer):
    """Never touches the mouse."""

    def press(self, key: str) -> None:
        """Press a key, or several together."""
        self.actions += 1
        self.page.keyboard.press(key)

    def go(self, to: Locator, key: str = "Tab") -> None:
        """Press one key until something has the focus."""
        self.actions += 1
        expect(to).to_be_visible()
        for _ in range(LONGEST_WAY):
            if to.evaluate(HAS_FOCUS):
                return
            self.page.keyboard.press(key)
        raise AssertionError(f"{key} does not lead to {to}")

    def take(self, text: str, offer: str) -> None:
        """Write a part of something, and take what is offered for it."""
        self.type(text)
        expect(self.page.locator("#combobox-list [role=option]").first).to_contain_text(offer)
        self.press("ArrowDown")
        self.press("Enter")

    def add(self, words: str, card: str, key: str = "+") -> None:
        """Add a step by some words of it; its card has the focus then."""
        self.press(key)
        self.type(words)
        self.press("Enter")
        expect(self.page.locator(card)).to_be_focused()


def published(page: Page) -> None:
    """Wait until the first version stands on the page of its flow."""
    page.wait_for_url("**/?version=1")
    expect(page.get_by_role("button", name="Deploy version 1…")).to_be_visible()


def synced(theatre: Theatre, page: Page, town: str) -> None:
    """
    Let a known and an unknown customer pay, answer the question about the second, and see both records.

    Whoever answers has put the customer into Salesforce first.
    """
    known = theatre.do("pay_invoice", web=theatre.web, known=True)
    unknown = theatre.do("pay_invoice", web=theatre.web, known=False)
    payments = theatre.do("payments")
    assert payments[known["invoice"]]["Amount__c"] == 49
    assert payments[known["invoice"]]["Currency__c"] == "EUR"
    assert payments[known["invoice"]]["Status__c"] == "Completed"
    assert payments[known["invoice"]]["Stripe_Customer__c"]
    assert unknown["invoice"] not in payments

    theatre.do("welcome", customer=unknown["customer"])
    page.goto(f"{town}questions/")
    page.get_by_role("link", name=unknown["invoice"]).first.press("Enter")
    page.get_by_role("button", name="Go on").press("Enter")
    expect(page.locator("#question")).to_contain_text("by nora@acme.test")
    theatre.do("work")
    payments = theatre.do("payments")
    assert payments[unknown["invoice"]]["Stripe_Customer__c"]
