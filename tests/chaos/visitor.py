"""This module is a person with a browser who signs in and leaves a live page open."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import requests
from websockets.sync.client import ClientConnection, connect

from tests.stage import Stage

DASHBOARD = "/w/acme/dev/"


class Visitor:
    """Somebody who has signed in as the administrator."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._browser = requests.Session()
        self._browser.headers["Referer"] = stage.web
        page = f"{stage.web}/accounts/login/"
        self._browser.get(page, timeout=10).raise_for_status()
        form = {
            "login": stage.administrator["email"],
            "password": stage.administrator["password"],
            "csrfmiddlewaretoken": self._browser.cookies["csrftoken"],
        }
        self._browser.post(page, data=form, timeout=30).raise_for_status()

    def page(self) -> requests.Response:
        """Return the dashboard, or the page to which it leads."""
        return self._browser.get(f"{self._stage.web}{DASHBOARD}", timeout=30)

    @contextlib.contextmanager
    def live(self) -> Iterator[ClientConnection]:
        """Yield the socket of an open dashboard, which wants to hear of events."""
        address = self._stage.web.replace("http", "ws") + f"/ws{DASHBOARD}live/"
        cookies = "; ".join(f"{name}={value}" for name, value in self._browser.cookies.items())
        head = {"Cookie": cookies}
        with connect(address, origin=self._stage.web, additional_headers=head, proxy=None) as socket:  # type: ignore[arg-type]  # a plain address is an origin
            socket.send(json.dumps({"topics": ["events", "figures", "fates"], "rows": []}))
            yield socket
