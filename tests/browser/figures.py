"""This module reads the numbers of a page, and follows those that are links to the lists that they count."""

from __future__ import annotations

import re
from urllib.parse import urljoin

from playwright.sync_api import Locator, Page

from tests.integration.following import counted


def number(place: Locator) -> int:
    """Return the number that stands there."""
    return int(re.sub(r"[^\d]", "", place.inner_text().split("\n")[0]))


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


def agree(page: Page, address: str, differing: list[tuple[int, int, str]]) -> bool:
    """Tell whether every count of a page is that of its list; `differing` gets those that are not."""
    page.goto(address)
    told = counts(page)
    assert len(told) > 3
    listed = [counted(page.request.get(urljoin(address, href)).text()) for _, href in told]
    differing[:] = [
        (number, many, href) for (number, href), many in zip(told, listed, strict=True) if many != number
    ]
    return not differing
