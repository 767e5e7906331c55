"""This module notes how long the server took for each page that a person has opened."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Page, Request

_IDS = re.compile(r"(?<=/)(?=[^/]*\d)[A-Za-z0-9]{6,}(?=/)")
SHOWN = 8


@dataclass
class Pace:
    """The times of answers, from the last byte of the question to the first of the answer, by page."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def over(self, page: Page) -> None:
        """Begin to note what `page` asks for."""
        page.on("requestfinished", self._note)

    def _note(self, request: Request) -> None:
        if request.resource_type not in ("document", "xhr", "fetch"):
            return
        timing = request.timing
        path = _IDS.sub("…", urlsplit(request.url).path)
        self.times[f"{request.method} {path}"].append(timing["responseStart"] - timing["requestStart"])

    def slowest(self) -> str:
        """Return the pages that took longest at their best, in milliseconds."""
        best = sorted(((min(taken), len(taken), name) for name, taken in self.times.items()), reverse=True)
        lines = [f"{took:7.0f} ms at best of {count:3}: {name}" for took, count, name in best[:SHOWN]]
        return "\n".join(["The slowest answers:", *lines])
