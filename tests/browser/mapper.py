"""This module opens mappings of their own on the page that draws them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Locator, Page, expect

if TYPE_CHECKING:  # the theatre starts with what this module makes
    from tests.browser.conftest import Theatre

_NUMBERS = count(1)
Lines = list[dict[str, Any]]

FOCUSED = """() => {
    const { dataset, id } = document.activeElement;
    return dataset.path ?? dataset.field ?? id;
}"""


class Mapper:
    """A mapping of its own on an open page."""

    def __init__(self, theatre: Theatre, page: Page, lines: Lines) -> None:
        self.theatre, self.page, self.slug = theatre, page, f"mapping-{next(_NUMBERS)}"
        self.address = theatre.at(theatre.do("fresh_mapper", slug=self.slug, lines=lines))
        self.open()

    def beside(self, page: Page) -> Mapper:
        """Return the same mapping as another window shows it."""
        other = Mapper.__new__(Mapper)
        other.theatre, other.page, other.slug, other.address = self.theatre, page, self.slug, self.address
        other.open()
        return other

    def open(self) -> None:
        self.open_at(self.address)

    def open_at(self, address: str) -> None:
        self.page.goto(address)
        expect(self.page.locator("#mapper[data-ready]")).to_be_attached()

    def source(self, path: str) -> Locator:
        return self.page.locator(f'#mapper-from [data-path="{path}"]')

    def field(self, name: str) -> Locator:
        return self.page.locator(f'#mapper-to [data-field="{name}"]')

    def saved(self) -> Lines:
        """Return the lines of the draft, once all changes are kept."""
        expect(self.page.locator("#mapper-saved")).to_have_text("All changes are kept")
        lines: Lines = self.theatre.do("lines_of", slug=self.slug)
        return lines

    def focused(self) -> str:
        return str(self.page.evaluate(FOCUSED))


Start = Callable[..., Mapper]
