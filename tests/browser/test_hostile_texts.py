"""What a customer, an org or a body says is shown as text and nothing else, wherever it appears."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import Watch, clipped, crowded, overflow, resized, sign_in

pytestmark = pytest.mark.browser

# As in `scene.py` and `hostile.py`, which cannot be imported here: they are a process of their own.
HOSTILE = """<img src=x onerror=alert(1)>"'</script><script>alert(2)</script>"""
SIGN = "<img src=x onerror=alert(1)>"
MALLORY = "mallory@odd.test"
# Where everything has a hostile name: what has to show it, and on the right what it is shown on.
ODD = {
    "overview": "", "runs": "runs/", "a run": "runs/{applied}/", "a dead run": "runs/{dead}/",
    "a view of runs": "runs/?type=x", "events": "events/", "an event": "events/{event}/",
    "an unreadable event": "events/{unreadable}/", "causes": "dead-letters/",
    "causes of a tag": "dead-letters/?tag={tag}", "a cause": "dead-letters/causes/{fingerprint}/",
    "a letter": "dead-letters/{letter}/", "a reason": "runs/{discarded}/",
    "saved fixes": "dead-letters/fixes/", "questions": "questions/",
    "closed questions": "questions/?show=closed", "which record": "questions/{which}/",
    "a duplicate": "questions/{duplicate}/", "a conflict": "questions/{conflict}/",
    "a closed one": "questions/{closed}/", "effects": "effects/?state=skipped", "links": "links/{linked}/",
    "merges": "merges/", "a look": "merges/{merge}/", "a merge": "merges/{merge_done}/",
    "a bad merge": "merges/{merge_failed}/", "match rules": "duplicates/", "alerts": "alerts/",
    "channels": "alerts/channels/", "a channel": "alerts/channels/{channel}/", "rules": "alerts/rules/",
    "a rule": "alerts/rules/{rule}/", "messages": "alerts/messages/", "anomalies": "anomalies/",
    "an anomaly": "anomalies/{anomaly}/",
    "known events": "anomalies/known/", "budgets": "budgets/", "a budget": "budgets/{salesforce}/",
    "flows": "flows/", "a flow": "flows/{flow}/", "connections": "connections/",
    "a connection": "connections/{salesforce}/", "adding up": "conservation/",
    "people": "../settings/people/", "workspace": "../settings/workspace/",
    "audit trail": "../settings/audit/",
}  # fmt: skip
# Text that turns round must not turn what stands behind it in the same line.
LOOSE = """
(sign) => [...document.querySelectorAll("#main *")]
    .filter((box) => [...box.childNodes].some((one) => one.nodeType === 3 && one.data.includes(sign)))
    .filter((box) => getComputedStyle(box).display === "inline" && !box.closest("option, title, textarea"))
    .filter((box) => getComputedStyle(box).unicodeBidi === "normal")
    .map((box) => box.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def odd(theatre: Theatre) -> dict[str, str]:
    """Return the ids of a workspace in which everything has a hostile name."""
    ids: dict[str, str] = theatre.do("build_oddly")
    return ids | {"tag": "%3Cimg+src%3Dx+onerror%3Dalert%281%29%3E"}


@pytest.fixture(scope="module")
def mallory(browser: Browser, theatre: Theatre, odd: dict[str, str]) -> Iterator[BrowserContext]:
    """Return the window of its administrator."""
    opened = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    sign_in(opened.new_page(), theatre.web, MALLORY)
    yield opened
    opened.close()


@pytest.fixture
def odd_page(mallory: BrowserContext, watch: Watch) -> Iterator[Page]:
    """Return a page of it; the test fails if the page complains or runs what is foreign."""
    opened = mallory.new_page()
    watch.over(opened)
    yield opened
    opened.close()
    assert not watch.complaints


def alive(page: Page) -> list[str]:
    """Return what has come of the hostile text that it should not, and where it does not fit."""
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    wrong = [f"{tag} in the page" for tag in ("img", "main script", "[onerror]") if page.locator(tag).count()]
    if SIGN not in (page.locator("#main").text_content() or ""):
        wrong.append("it is not shown")
    if "</script>49" in page.content():
        wrong.append("a template was run")
    wrong += [f"turns what follows: {place}" for place in page.evaluate(LOOSE, SIGN[:20])]
    for width in (390, 1280):
        resized(page, width)
        wrong += [f"{width}: {overflow(page)} too wide"] if overflow(page) > 0 else []
        wrong += [f"{width}: {place}" for place in (*clipped(page), *crowded(page))]
    return wrong


PARTS = 3


@pytest.mark.long
@pytest.mark.timeout(300)  # some fifteen pages at two widths, and a machine that may be busy
@pytest.mark.parametrize("part", range(PARTS))
def test_a_hostile_name_is_only_a_name_wherever_it_stands(
    odd_page: Page, theatre: Theatre, odd: dict[str, str], part: int
) -> None:
    wrong = {}
    for what, path in list(ODD.items())[part::PARTS]:
        answer = odd_page.goto(f"{theatre.web}/w/odd/dev/{path.format(**odd)}")
        assert answer is not None
        assert answer.ok, what
        if found := alive(odd_page):
            wrong[what] = found

    assert wrong == {}


def test_a_hostile_name_is_inert_in_what_comes_while_one_looks(
    odd_page: Page, theatre: Theatre, odd: dict[str, str]
) -> None:
    odd_page.goto(f"{theatre.web}/w/odd/dev/dead-letters/?snoozed=")
    expect(odd_page.locator("#live-state, #arrivals").first).to_be_attached()
    odd_page.get_by_role("button", name="Discard").first.press("Enter")
    odd_page.get_by_label("Reason").press_sequentially(SIGN)
    odd_page.get_by_role("dialog").get_by_role("button", name="Discard").press("Enter")
    expect(odd_page.locator(".toast")).to_contain_text("Discarded")

    odd_page.evaluate(
        "(text) => document.dispatchEvent(new CustomEvent('toast', {detail: {message: text}}))", HOSTILE
    )
    expect(odd_page.locator(".toast", has_text=HOSTILE)).to_be_visible()
    assert odd_page.locator("img").count() == 0
    assert overflow(odd_page) <= 0


def test_what_is_downloaded_runs_nothing_in_a_program_for_tables(
    odd_page: Page, theatre: Theatre, odd: dict[str, str]
) -> None:
    odd_page.goto(f"{theatre.web}/w/odd/dev/dead-letters/")
    link = odd_page.get_by_role("link", name="Download these letters as CSV")
    with odd_page.expect_download() as waiting:
        link.press("Enter")
    with waiting.value.path().open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(io.StringIO(file.read())))

    assert waiting.value.suggested_filename.startswith("dead-letters-")
    messages = {row["Field"]: row["Message"] for row in rows}
    assert messages["Formula__c"].startswith("'=1+1;'+2")
    assert messages["Name"].startswith(SIGN)
    assert not [
        cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    ]


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
