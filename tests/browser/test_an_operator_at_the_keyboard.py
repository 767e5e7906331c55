"""An operator's whole day is done by keys alone, and the focus is seen wherever it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Theatre
from tests.browser.looking import Watch, sign_in
from tests.browser.newcomer import HAS_FOCUS, AtTheKeyboard

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(900)]  # a machine that may be busy

MOST = 150  # presses of a key: no page of a desk has more places
# Whether what has the focus is drawn with a ring and stands in the window, behind nothing.
IS_SEEN = """
(element) => {
    const box = element.getBoundingClientRect();
    const ring = (one) => {
        const style = getComputedStyle(one);
        return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    };
    const drawn = [element, element.closest("tr.row, .segmented label")].some((one) => one && ring(one));
    const across = Math.min(box.width, 300) / 2, down = Math.min(box.height, 24) / 2;
    const top = document.elementFromPoint(box.x + across, box.y + down);
    const within = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    return drawn && within && (element.contains(top) || top?.contains(element));
}
"""


class Operator(AtTheKeyboard):
    """Presses keys, and sees where the focus is."""

    def to(self, what: Locator, key: str = "Tab") -> None:
        """Press one key until something has the focus, and see it there."""
        expect(what).to_be_visible()
        for _ in range(MOST):
            if what.evaluate(HAS_FOCUS):
                assert what.evaluate(IS_SEEN), f"the focus is not seen on {what}"
                return
            self.page.keyboard.press(key)
        raise AssertionError(f"{key} does not lead to {what}")

    def use(self, what: Locator, key: str = "Enter") -> None:
        """Go to something and press a key on it."""
        self.to(what)
        self.press(key)

    def button(self, name: str, within: Locator | None = None) -> Locator:
        """Return the first button of a name."""
        return (within or self.page.locator("body")).get_by_role("button", name=name).first

    def lead(self, letter: str, address: str) -> None:
        """Go to a place by `g` and its letter, which in a field would be text."""
        while self.page.evaluate("document.activeElement.matches('input, select, textarea')"):
            self.press("Tab")
        self.press("g")
        self.press(letter)
        self.page.wait_for_url(address)
        self.skip()

    def skip(self) -> None:
        """Go past the navigation."""
        self.to(self.page.get_by_role("link", name="Skip to the content"))
        self.press("Enter")

    def said(self, text: str) -> None:
        """Read what the page says of an act."""
        expect(self.page.locator(".toast").last).to_contain_text(text)

    def cycles(self, dialog: Locator) -> None:
        """Go round a dialog: the keyboard never leaves it for the page behind."""
        expect(dialog).to_be_visible()
        for _ in range(9):
            self.press("Tab")
            assert self.page.evaluate("document.activeElement === document.body") or dialog.evaluate(
                "(one) => one.contains(document.activeElement)"
            )


@pytest.fixture
def olga(browser: Browser, theatre: Theatre, watch: Watch) -> Iterator[Operator]:
    """Return somebody who has signed in by keys, and whose hand never goes to the mouse."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    page = context.new_page()
    watch.over(page)
    yield Operator(page)
    context.close()
    assert not watch.complaints


def test_the_desk_is_cleared_by_keys_alone(olga: Operator, theatre: Theatre) -> None:
    ids = theatre.do("build_desk")
    sign_in(olga.page, theatre.web, "olga@desk.test")

    _sees_to_causes(olga)
    _tries_one_first(olga)
    _mends_one(olga)
    assert theatre.do("state_of", run=ids["mended"]) == "ready"
    answers = _answers_questions(olga, theatre, ids)
    assert answers == ["001000000000001AAA", "apart", "new", "001000000000002AAA"]
    _sees_to_the_unusual(olga)
    _sends_a_test(olga)
    _chooses_who_goes_first(olga)
    _finds_and_cancels_runs(olga, ids)
    assert set(theatre.do("acts_at_desk")) >= {
        "deadletters.assigned", "deadletters.snoozed", "deadletters.tagged", "deadletters.discarded",
        "deadletters.retry_began", "deadletters.retry_stopped", "deadletter.edited", "review.answered",
        "anomaly.acknowledged", "channel.tested", "flow.priority_set", "view.saved", "run.cancelled",
        "run.retried",
    }  # fmt: skip


def _sees_to_causes(olga: Operator) -> None:
    """Go from the overview to a cause, share it out, tag it, put another off, and discard a third."""
    page = olga.page
    olga.skip()
    olga.use(page.locator("a.tile", has_text="Dead letters"))
    page.wait_for_url("**/dead-letters/")
    olga.skip()
    olga.use(page.get_by_role("link", name="Region__c"))
    page.wait_for_url("**/causes/**")
    olga.skip()
    olga.to(page.get_by_role("combobox", name="Who sees to it"))
    olga.type("olga")
    keep = page.locator("form:has(#cause-person) button")
    olga.use(keep)
    expect(page.locator(".arranged")).to_contain_text("olga@desk.test")
    expect(keep).to_be_focused()
    olga.to(page.get_by_role("textbox", name="Tags, with commas"))
    olga.type("north, region")
    olga.press("Enter")
    expect(page.locator(".arranged")).to_contain_text("region")

    olga.lead("d", "**/dead-letters/")
    olga.use(page.get_by_role("link", name="Later__c"))
    page.wait_for_url("**/causes/**")
    olga.skip()
    olga.to(page.get_by_role("combobox", name="Put off"))
    olga.press("ArrowDown")
    olga.use(page.locator("form:has(#cause-span) button"))
    expect(page.locator(".arranged")).to_contain_text("put off until")

    olga.lead("d", "**/dead-letters/")
    expect(page.get_by_text("Later__c")).to_have_count(0)
    gone = page.locator("article", has_text="Gone__c")
    olga.use(olga.button("Discard all 3", gone))
    dialog = page.get_by_role("dialog")
    olga.cycles(dialog)
    olga.press("Escape")
    expect(dialog).to_be_hidden()
    expect(olga.button("Discard all 3", gone)).to_be_focused()
    olga.press("Enter")
    olga.to(dialog.get_by_label("Reason"))
    olga.type("Sent twice by mistake")
    olga.use(olga.button("Discard all 3", dialog))
    olga.said("3 are discarded")
    expect(gone).to_have_count(0)
    expect(page.locator("article", has_text="Region__c")).to_be_focused()  # what stands in its place


def _tries_one_first(olga: Operator) -> None:
    """Retry one letter of a cause first, and stop before the rest follows."""
    page = olga.page
    olga.lead("d", "**/dead-letters/")
    cause = page.locator("article", has_text="Region__c")
    dialog = page.get_by_role("dialog", name="Try one first")
    olga.to(cause.get_by_role("link", name="Region__c"), "j")
    olga.press("r")
    expect(dialog).to_be_visible()
    olga.press("Escape")
    expect(cause.get_by_role("link", name="Region__c")).to_be_focused()
    olga.use(olga.button("Try one first", cause))
    olga.cycles(dialog)
    olga.use(olga.button("Try one first", dialog))
    olga.said("tried")
    olga.skip()
    if not page.locator("#stop-retry").count():
        olga.use(page.get_by_role("link", name="Region__c"))
        page.wait_for_url("**/causes/**")
        olga.skip()
    olga.use(olga.button("Stop"))
    expect(page.locator("#group-retry")).to_contain_text("It was stopped")
    expect(page.locator("#group-retry")).to_contain_text("2 left alone")


def _mends_one(olga: Operator) -> None:
    """Edit the object of a letter, see what changes, and retry it so."""
    page = olga.page
    olga.lead("d", "**/dead-letters/")
    olga.use(page.locator("article", has_text="max length=8").get_by_role("link", name="Mend").first)
    page.wait_for_url("**/dead-letters/*/")
    olga.skip()
    text = page.get_by_label("Edited copy, in JSON")
    olga.to(text)
    olga.press("Control+Home")
    lines = text.input_value().splitlines()
    place = next(at for at, line in enumerate(lines) if '"6735"' in line)
    for key, times in (
        ("ArrowDown", place),
        ("End", 1),
        ("ArrowLeft", len(lines[place].partition("6735")[2])),
    ):
        for _ in range(times):
            page.keyboard.press(key)
    olga.type("X")
    olga.use(olga.button("Show what changes"))
    expect(page.get_by_role("table")).to_contain_text("6735X")
    olga.skip()
    olga.use(olga.button("Retry with these changes"))
    olga.said("tried again")


def _answers_questions(olga: Operator, theatre: Theatre, ids: dict[str, str]) -> list[str]:
    """Answer who is who, one question after the other, in each of the ways."""
    page = olga.page
    olga.lead("q", "**/questions/")
    asked = ids["questions"].split(",")
    for key in ("j", "j", "j", "j", "k"):  # the newest stands first
        olga.press(key)
    expect(page.locator(".row-link").nth(2)).to_be_focused()
    olga.press("j")
    olga.press("Enter")
    page.wait_for_url(f"**/questions/{asked[0]}/")
    olga.press("1")
    expect(page.locator("[data-focus='1']")).to_be_focused()
    assert page.locator("[data-focus='1']").evaluate(IS_SEEN)
    olga.press("Enter")
    for answer in ("another customer", "a new record all the same", "2"):
        expect(page.locator("#question")).to_contain_text("Answered by olga@desk.test")
        olga.use(page.get_by_role("link", name="Next question"))
        expect(page.locator(".choices")).not_to_have_count(0)
        if answer == "2":
            olga.press("2")
            olga.press("Enter")
        else:
            olga.skip()
            olga.use(olga.button(answer))
    expect(page.locator("#question")).to_contain_text("Answered by olga@desk.test")
    given: list[str] = theatre.do("answers_at_desk", questions=ids["questions"])
    return given


def _sees_to_the_unusual(olga: Operator) -> None:
    """Take care of one anomaly, and mute the other."""
    page = olga.page
    olga.lead("a", "**/alerts/")
    olga.use(page.get_by_role("link", name="Anomalies").first, "Enter")
    page.wait_for_url("**/anomalies/")
    olga.skip()
    one, other = page.locator("article").nth(0), page.locator("article").nth(1)
    olga.to(other, "j")
    olga.to(one, "k")
    olga.use(olga.button("I take care", one))
    expect(one).to_contain_text("olga@desk.test takes care of it")
    expect(one).to_be_focused()  # its button is gone, and no other has taken the focus
    olga.to(other.get_by_label("For how long"))
    olga.press("ArrowDown")
    olga.use(olga.button("Mute", other))
    expect(other).to_contain_text("muted")
    expect(other).to_be_focused()


def _sends_a_test(olga: Operator) -> None:
    """Add a channel for alerts, and have a test sent."""
    page = olga.page
    olga.lead("a", "**/alerts/")
    olga.use(page.get_by_role("link", name="Channels", exact=True))
    olga.skip()
    olga.use(page.get_by_role("link", name="Add E-mail"))
    page.wait_for_url("**/channels/new/**")
    olga.skip()
    olga.to(page.get_by_label("Name"))
    olga.type("Finance")
    olga.to(page.get_by_label("Addresses"))
    olga.type("cfo@desk.test")
    olga.use(olga.button("Add the channel"))
    expect(page.locator("#channels")).to_contain_text("cfo@desk.test")
    olga.skip()
    olga.use(olga.button("Send a test by Finance"))
    expect(page.locator("#channels")).to_contain_text("on its way")


def _chooses_who_goes_first(olga: Operator) -> None:
    """Give a flow a high priority."""
    page = olga.page
    olga.lead("o", "**/w/desk/dev/")
    olga.to(page.get_by_role("link", name="API budgets").first)
    olga.press("Enter")
    page.wait_for_url("**/budgets/*/")  # there is but one org
    olga.skip()
    olga.to(page.get_by_role("combobox", name="Priority of Payments"))
    olga.type("High")
    olga.use(olga.button("Save the priority of"))
    expect(page.get_by_role("combobox", name="Priority of Payments")).to_have_value("high")
    olga.said("priority")


def _finds_and_cancels_runs(olga: Operator, ids: dict[str, str]) -> None:
    """Search a run, save what is looked at as a view, cancel one run, and have another done once more."""
    page = olga.page
    olga.lead("r", "**/runs/")
    olga.press("/")
    olga.type(ids["done"])
    olga.press("Enter")
    page.wait_for_url("**q=ch_*")
    olga.use(olga.button("Save view…"))
    dialog = page.get_by_role("dialog", name="Save this view")
    expect(dialog.get_by_label("Name")).to_be_focused()
    olga.press("Escape")
    expect(olga.button("Save view…")).to_be_focused()
    olga.press("Enter")
    olga.type("The first payment")
    olga.press("Enter")
    expect(page.get_by_role("link", name="The first payment")).to_be_visible()

    olga.press("j")
    olga.press("Enter")
    page.wait_for_url("**/runs/*/")
    olga.skip()
    olga.use(olga.button("Run again"))
    expect(page.locator("#run .status").first).to_have_text("Queued")
    olga.skip()
    olga.use(olga.button("Cancel…"))
    dialog = page.get_by_role("dialog", name="Cancel this run?")
    olga.cycles(dialog)
    olga.to(dialog.get_by_label("Reason"))
    olga.type("Not needed any more")
    olga.use(olga.button("Cancel the run", dialog))
    expect(page.locator("#run .status").first).to_have_text("Discarded")
    expect(page.get_by_text("Not needed any more").first).to_be_visible()


def test_two_records_become_one_by_keys_alone(newcomer: Page, theatre: Theatre, town: str) -> None:
    nora, page, ids = Operator(newcomer), newcomer, theatre.do("twins", name="Keys")
    page.goto(f"{town}merges/")
    nora.skip()
    nora.use(page.get_by_role("link", name="Merge records"))
    nora.skip()
    nora.to(page.get_by_role("textbox", name="Records"))
    nora.type(f"{ids['kept']}, {ids['gone']}")
    nora.use(nora.button("Compare"))

    nora.skip()
    nora.use(page.get_by_role("link", name="Most complete"))
    expect(page.get_by_role("link", name="Most complete")).to_have_attribute("aria-current", "page")
    nora.skip()
    names = page.get_by_role("radio", name="Name of")
    other = names.nth(1) if names.nth(0).is_checked() else names.nth(0)
    nora.to(names.and_(page.locator(":checked")))
    nora.press("ArrowDown")
    expect(other).to_be_checked()
    expect(other).to_be_focused()
    wanted = str(other.get_attribute("aria-label")).rpartition(": ")[2]
    nora.use(nora.button("Show what would happen"))
    expect(page.locator("#merge")).to_contain_text("Nothing has changed yet")

    nora.skip()
    nora.to(page.get_by_label("These records are the same customer"))
    nora.press("Space")
    nora.use(nora.button("Merge 2 records"))
    expect(page.locator("#merge-progress")).to_contain_text("You can leave this page")
    theatre.do("merge")
    expect(page.locator("#merge")).to_contain_text("The records are one now")
    assert page.evaluate("document.activeElement.isConnected")
    assert theatre.do("accounts")[ids["kept"]]["Name"] == wanted
    nora.skip()
    nora.to(page.get_by_role("link", name="Both records as they were"))
