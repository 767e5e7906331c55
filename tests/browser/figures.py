"""This module reads the numbers of a page, and follows those that are links to the lists that they count."""

from __future__ import annotations

import re
from functools import partial
from urllib.parse import urljoin

from playwright.sync_api import Locator, Page, expect

from tests.integration.following import counted
from tests.stage import until


def number(place: Locator) -> int:
    """Return the number that stands there."""
    return int(re.sub(r"[^\d]", "", place.inner_text().split("\n")[0]))


def in_navigation(page: Page) -> int:
    """Return how many letters wait, as the navigation has it: beyond 999 it shows no more than that."""
    return int(page.locator("#nav-dead").get_attribute("data-count") or 0)


def counts(page: Page) -> list[tuple[int, str]]:
    """Return each count of the page that leads to events, runs, links or payments, with its address."""
    places = ", ".join(f"main a[href*='/{name}/?']" for name in ("events", "runs", "links", "payments"))
    found = []
    for link in page.locator(places).all():
        told = re.match(r"(?:Received |Applied )?(\d[\d,]*)(?:\s|$)", link.inner_text().strip())
        if told and not link.locator(".figure").count():  # rates and money are no counts
            found.append((int(told[1].replace(",", "")), str(link.get_attribute("href"))))
    return list(dict.fromkeys(found))


def on_the_list(page: Page) -> int:
    """Return how many rows the list that is open has, as its tab says."""
    return number(page.locator(".tab[aria-current=page] strong"))


def wait_until_agreed(page: Page, address: str) -> list[str]:
    """
    Open a page whose every count is that of its list, and return what the lists are narrowed to.

    What was counted a minute ago may have gone on since: then the page is looked at once more.
    """
    differing: list[tuple[int, int, str]] = []
    until(
        partial(_agree, page, address, differing), seconds=240, what=f"{address} agrees", found=differing.copy
    )
    return [part for _, href in counts(page) for part in href.partition("?")[2].split("&")]


def _agree(page: Page, address: str, differing: list[tuple[int, int, str]]) -> bool:
    """Tell whether every count of a page is that of its list; `differing` gets those that are not."""
    page.goto(address)
    told = counts(page)
    assert len(told) > 3
    listed = [counted(page.request.get(urljoin(address, href)).text()) for _, href in told]
    differing[:] = [
        (number, many, href) for (number, href), many in zip(told, listed, strict=True) if many != number
    ]
    return not differing


def follow(link: Locator, words: str) -> int:
    """Follow a link by keyboard to a list that is narrowed, as `words` over it say; return its number."""
    link.focus()
    link.press("Enter")
    expect(link.page.get_by_text(words)).to_be_visible()
    return on_the_list(link.page)


def take_off(page: Page, words: str) -> int:
    """Take off the only filter of a list that `words` name, and return how many rows it has then."""
    page.get_by_text(words).click()
    expect(page.locator("a.chip.removable")).to_have_count(0)
    return on_the_list(page)
