"""A letter and its cause say which parent is missing, and have a model explain it where one is set up."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import OF_COLOURS, clipped, crowded, findings, overflow, resized

pytestmark = pytest.mark.browser

LONG_ID = "cus_" + "Q1a2B3c4" * 20
SAYS = "A rule of the org refuses this.\n<b>Look</b> at " + "its-very-long-name-without-a-blank" * 6


class Answering(BaseHTTPRequestHandler):
    """A model that explains everything in the same words."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"choices": [{"message": {"content": SAYS}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        return


@pytest.fixture
def model(theatre: Theatre) -> Iterator[None]:
    """
    Set up a model for the server, which is started anew with it, and again without it afterwards.

    Ask for it before the page, so that the page is closed by then and misses nobody.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    before = dict(theatre.env)
    theatre.env["INTEGRATOR_EXPLAIN_URL"] = f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
    theatre.env["INTEGRATOR_EXPLAIN_MODEL"] = "a-model-of-ours"
    theatre.close()
    theatre.serve()
    yield
    theatre.close()
    theatre.env = before
    theatre.serve()
    server.shutdown()
    server.server_close()


def wrong_with(page: Page) -> list[str]:
    """Return what is wrong with the open page on a laptop and a phone, by day and by night."""
    found: list[str] = []
    for width in (1280, 390):
        resized(page, width)
        found += [*clipped(page), *crowded(page), *(["too wide"] if overflow(page) > 0 else [])]
        page.emulate_media(color_scheme="light")
        found += findings(page)
        page.emulate_media(color_scheme="dark")
        found += findings(page, OF_COLOURS)
    return found


def test_letter_and_cause_name_the_parent_and_lead_to_the_run_that_fetches_it(
    page: Page, theatre: Theatre
) -> None:
    made = theatre.do("lack", external_id=LONG_ID)

    for path in (f"dead-letters/{made['letter']}/", f"dead-letters/causes/{made['fingerprint']}/"):
        page.goto(theatre.at(path))
        expect(page.get_by_role("main")).to_contain_text(f"It lacks Stripe_Customer__c {LONG_ID}.")
        expect(page.get_by_text("Explained by a model")).to_have_count(0)
        assert wrong_with(page) == []
        page.get_by_role("link", name="See the run").click()
        expect(page).to_have_url(re.compile(rf"/runs/{made['run']}/"))


def test_a_model_explains_a_letter_once_it_is_asked_and_its_cause_shows_that(
    theatre: Theatre, model: None, page: Page
) -> None:
    made = theatre.do("die", field="Explained__c", message="Jenny Rosen breaks a rule", code="ODD_CODE")
    cause = theatre.at(f"dead-letters/causes/{made['fingerprint']}/")
    page.goto(cause)
    section = page.get_by_role("region", name="Explained by a model")
    expect(section).to_contain_text("Beside its task it is told the following and nothing else.")
    expect(section).not_to_contain_text("Jenny")
    assert wrong_with(page) == []

    section.get_by_role("button", name="Explain").press("Enter")

    expect(section).to_contain_text("Written by the model a-model-of-ours, and may be wrong.")
    expect(section).to_contain_text("<b>Look</b> at its-very-long-name")
    expect(section.get_by_role("button")).to_have_count(0)
    assert wrong_with(page) == []
    # It can be loaded anew, and follows what changes, at an address that is the letter's own.
    expect(page).to_have_url(re.compile(r"/dead-letters/[\w-]+/#explanation$"))
    page.goto(cause)
    expect(section).to_contain_text("A rule of the org refuses this.")
    assert wrong_with(page) == []
