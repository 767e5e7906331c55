"""This module follows the numbers of a page to the lists that they lead to, and counts what stands there."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qsl, urlsplit

_LINK = re.compile(r"<a\b([^>]*)>(.*?)</a>", re.DOTALL)
_HREF = re.compile(r'href="([^"]+)"')
_TAG = re.compile(r"<[^>]+>")
_NUMBER = re.compile(r"(?:Received |Applied )?(\d[\d,]*)(?: |$)")
_TAB = re.compile(r'<a class="tab[^>]*aria-current="page"[^>]*>.*?<strong>(.*?)</strong>', re.DOTALL)


def numbers(page: str) -> list[tuple[int, str]]:
    """Return each number of a page that is a link to something narrowed, with its address; rates are none."""
    found = []
    for attributes, inside in _LINK.findall(page):
        address = _HREF.search(attributes)
        number = _NUMBER.match(_text(inside))
        if address and "?" in address[1] and number and 'class="figure' not in inside:
            found.append((int(number[1].replace(",", "")), unescape(address[1])))
    return found


def counted(page: str) -> int:
    """Return the number of the tab that is open over a list."""
    (number,) = _TAB.findall(page)
    return int(_text(number).replace(",", ""))


def rows(page: str) -> int:
    """Return how many rows a list shows."""
    return len(re.findall(r'<tr class="row"', page))


def query(address: str) -> dict[str, str]:
    """Return what an address narrows a list to."""
    return dict(parse_qsl(urlsplit(address).query))


def _text(inside: str) -> str:
    return " ".join(unescape(_TAG.sub(" ", inside)).split())
