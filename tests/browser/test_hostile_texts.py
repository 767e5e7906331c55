"""What a customer, an org or a body says is shown as text and nothing else, wherever it appears."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Theatre

pytestmark = pytest.mark.browser

# As in `scene.py`, which cannot be imported here: it is a process of its own.
HOSTILE = """<img src=x onerror=alert(1)>"'</script><script>alert(2)</script>"""


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("", id="the overview"),
        pytest.param("runs/", id="runs"),
        pytest.param("runs/{hostile}/", id="a run"),
        pytest.param("dead-letters/", id="dead letters"),
        pytest.param("events/{unreadable}/", id="an unreadable event"),
        pytest.param("questions/", id="questions"),
        pytest.param("questions/{hostile_question}/", id="a question"),
        pytest.param("effects/?state=skipped", id="effects"),
        pytest.param("rates/", id="exchange rates"),
        pytest.param("../settings/audit/?actor=mallory", id="the audit trail"),
    ],
)
def test_a_hostile_text_is_only_text(page: Page, theatre: Theatre, path: str) -> None:
    theatre.do("die", field="Hostile__c", message=HOSTILE)  # so that it is among the newest
    page.goto(theatre.at(path.format(**theatre.ids)))
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    page.wait_for_timeout(200)

    assert "<img src=x onerror=alert(1)>" in page.locator("#main").text_content()
    assert page.locator("img").count() == 0
    assert page.locator("main script").count() == 0


def test_a_hostile_text_is_inert_when_it_comes_over_the_socket(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at())
    expect(page.locator("#live-state")).to_have_text("Live")

    theatre.do("die", field="Hostile__c", message=HOSTILE)

    expect(page.locator("#last")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0


def test_a_hostile_text_is_inert_in_a_form_and_in_the_address(page: Page, theatre: Theatre) -> None:
    page.goto(theatre.at("runs/"))
    page.get_by_label("Search by any id").fill(HOSTILE)
    page.get_by_label("Search by any id").press("Enter")
    page.wait_for_url("**q=*")

    assert page.get_by_label("Search by any id").input_value() == HOSTILE
    assert page.locator("img").count() == 0


def test_no_page_needs_a_style_or_script_in_its_text(page: Page, theatre: Theatre) -> None:
    answer = page.goto(theatre.at(f"runs/{theatre.ids['hostile']}/"))
    assert answer is not None
    policy = answer.headers["content-security-policy"]

    assert "unsafe" not in policy
    assert page.locator("[style]").count() == 0
    assert page.locator("script:not([src])").count() == 0


def test_no_secret_is_shown(page: Page, theatre: Theatre) -> None:
    for path in (
        "runs/{applied}/",
        "events/{event}/",
        "connections/{stripe}/",
        "connections/{stripe}/rotate/",
    ):
        page.goto(theatre.at(path.format(**theatre.ids)))

        assert "sk_test" not in page.content()
        assert "whsec_test" not in page.content()
