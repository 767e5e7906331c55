"""An operator sees to thousands of dead letters and hundreds of questions while things break."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.figures import follow, in_navigation, number, take_off, wait_until_agreed
from tests.browser.looking import Watch, sign_in
from tests.browser.pace import Pace
from tests.browser.workday import LONG, LONGEST, OBJECTS, PEOPLE, REFUSED, Workday, a_workday
from tests.chaos.own_redis import SERVER
from tests.conftest import POSTGRESQL
from tests.stage import until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.long,
    pytest.mark.xdist_group("an operator's day"),
    pytest.mark.timeout(900),  # the first of them waits until everything is left undone
    pytest.mark.skipif(SERVER is None, reason="no redis-server on this machine"),
]

SOON = 60_000  # milliseconds, on a machine that is busy


@pytest.fixture(scope="module")
def day(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workday]:
    """Return an installation in which much waits; the browser comes first, as it may be missing."""
    with a_workday(tmp_path_factory.mktemp("day"), postgresql=POSTGRESQL) as begun:
        yield begun


@pytest.fixture(scope="module")
def pace() -> Iterator[Pace]:
    """Return what notes how long the server took for each page, and tells the slowest in the end."""
    noted = Pace()
    yield noted
    print(noted.slowest())


@pytest.fixture(scope="module")
def desk(browser: Browser, day: Workday) -> Iterator[BrowserContext]:
    """Return the window of the operator Olga, who has signed in."""
    opened = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    opened.set_default_timeout(SOON)
    sign_in(opened.new_page(), day.web, "olga@acme.test")
    yield opened
    opened.close()


@pytest.fixture
def page(desk: BrowserContext, watch: Watch, pace: Pace) -> Iterator[Page]:
    """Return a page of hers; the test fails if the page complains."""
    opened = desk.new_page()
    watch.over(opened)
    pace.over(opened)
    yield opened
    opened.close()
    assert not watch.complaints


def at(day: Workday, path: str = "") -> str:
    return f"{day.web}/w/acme/dev/{path}"


def cause(page: Page, text: str) -> Locator:
    """Return the entry of a cause by what the other side said."""
    return page.locator("article.group", has_text=text)


def wait_until_live(page: Page) -> None:
    expect(page.locator("#live-state")).to_have_text("Live", timeout=SOON)
    page.evaluate("window.notReloaded = true")


# What is wrong


def test_every_number_of_the_overview_leads_to_its_list(page: Page, day: Workday) -> None:
    page.goto(at(day))
    expect(page.get_by_role("heading", name="Is anything wrong?")).to_be_visible()
    dead = number(page.locator("a.tile", has_text="Dead letters").locator(".figure"))
    asked = number(page.locator("a.tile", has_text="Questions").locator(".figure"))
    assert (dead >= 3_000, asked >= PEOPLE) == (True, True)

    page.locator("a.tile", has_text="Dead letters").click()
    groups = page.locator("article.group")
    expect(groups.first).to_be_visible()
    assert sum(number(one) for one in groups.locator(".cause .count").all()) == dead
    assert groups.count() == 12
    assert in_navigation(page) == dead

    page.go_back()
    page.locator("a.tile", has_text="Questions").click()
    assert number(page.locator(".tab", has_text="Open").locator("strong")) == asked

    page.go_back()
    expect(page.locator("#open-alerts")).to_contain_text("dead letters", timeout=SOON)
    page.get_by_role("link", name=re.compile("All .*alerts")).click()
    expect(page.locator("article", has_text="1,240 dead letters").first).to_be_visible()
    page.get_by_role("link", name="Overview").first.click()
    page.get_by_role("link", name="Hour by hour").click()
    expect(page.locator("section.card").first).to_contain_text("Adds up")


def test_every_count_of_events_and_runs_is_that_of_its_list(page: Page, day: Workday) -> None:
    for path in ("", "conservation/"):
        asked = wait_until_agreed(page, at(day, path))
        assert {"became=dead", "became=waiting"} <= set(asked)

    one = page.locator("td a[href*='became=dead']").first
    shown = number(one)
    assert follow(one, "Only in dead letters") == shown
    assert take_off(page, "Only in dead letters") >= shown


# Causes


def test_causes_are_shared_out(page: Page, day: Workday) -> None:
    page.goto(at(day, "dead-letters/"))
    dead = in_navigation(page)

    def opened(text: str) -> None:
        page.goto(at(day, "dead-letters/"))
        cause(page, text).get_by_role("link", name="Look at each").click()

    opened("[Country__c]")
    page.get_by_label("Who sees to it").last.select_option(label="otto@acme.test")
    page.get_by_role("button", name="Assign the cause").click()
    expect(page.locator("#letters .chip", has_text="otto@acme.test")).to_be_visible()
    opened("PaymentTrigger")
    page.locator("#cause-span").select_option(index=0)
    page.get_by_role("button", name="Put off").click()
    expect(page.locator("#letters .chip", has_text="put off until")).to_be_visible()
    opened("invalid email address")
    page.get_by_label("Tags, with commas between them").fill("Finance, ask Jenny")
    page.get_by_role("button", name="Save tags").click()
    expect(page.locator("#letters .chip", has_text="ask jenny")).to_be_visible()

    page.goto(at(day, "dead-letters/"))
    expect(cause(page, "PaymentTrigger")).to_have_count(0)
    page.get_by_label("Who sees to it").select_option("otto@acme.test")
    page.wait_for_url("**assigned=otto**")
    expect(page.locator("article.group")).to_have_count(1)
    page.goto(at(day, "dead-letters/?tag=finance"))
    expect(page.locator("article.group")).to_have_count(1)
    page.goto(at(day, "dead-letters/?snoozed=yes"))
    expect(cause(page, "PaymentTrigger")).to_have_count(1)
    assert in_navigation(page) == dead  # nothing is hidden, it is only not to be done now


def test_a_whole_cause_is_discarded_with_a_reason(page: Page, day: Workday) -> None:
    page.goto(at(day, "dead-letters/"))
    before = in_navigation(page)
    expect(page.get_by_role("button", name="Discard all 1,240")).to_be_visible()

    cause(page, "outside of valid range").get_by_role("button", name="Discard all 222").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("The fees of a test account")
    dialog.get_by_role("button", name="Discard").click()

    expect(page.locator(".toast")).to_contain_text("222 are discarded", timeout=SOON)
    expect(cause(page, "outside of valid range")).to_have_count(0)
    expect(page.locator("#nav-dead")).to_have_attribute("data-count", str(before - 222), timeout=SOON)


def test_one_is_tried_first_and_then_the_rest_until_all_are_applied(page: Page, day: Workday) -> None:
    begin(page, day, "north", per_minute="1200")

    expect(page.locator("#group-retry")).to_contain_text("All were retried", timeout=SOON)
    expect(page.locator("#group-retry")).to_contain_text(f"{REFUSED['north']} worked", timeout=SOON)

    assert wrong(day, "north") == []
    expect(page.locator("#letters")).to_contain_text("All of it is dealt with")


def begin(page: Page, day: Workday, word: str, *, per_minute: str) -> None:
    """Begin to retry the orders of a word, one first."""
    page.goto(at(day, "dead-letters/"))
    cause(page, f"Orders of the {word}").get_by_role("link", name="Look at each").click()
    page.get_by_role("button", name="Try one first").click()
    dialog = page.get_by_role("dialog")
    dialog.locator("select[name=per_minute], input[name=per_minute]").first.select_option(per_minute)
    dialog.get_by_role("button", name="Try one first").click()
    expect(page.locator("#group-retry")).to_be_visible(timeout=SOON)


def wrong(day: Workday, word: str) -> list[Any]:
    """Return the orders of a word that are not in the org exactly once, with the values that were paid."""
    found = day.payments(day.of(word))
    shown = {
        order: [(one["Status__c"], one["Amount__c"], one["Order_ID__c"]) for one in rows]
        for order, rows in found.items()
    }
    return [
        (order, rows)
        for order, rows in shown.items()
        if rows != [("Completed", (1999 + len(order)) / 100, order[:LONGEST])]
    ]


def test_what_helps_one_is_approved_for_all_and_kept(page: Page, day: Workday) -> None:
    page.goto(at(day, "dead-letters/"))
    cause(page, "too large").get_by_role("link", name="Mend").click()
    page.get_by_label("Do this by itself from now on").check()
    page.get_by_role("button", name=f"Approve for all {LONG}").click()

    expect(page.locator("#group-retry")).to_contain_text(f"{LONG} worked", timeout=SOON)
    assert wrong(day, "overseas") == []

    later = f"{'overseas-' * 7}later"
    day.paid[later] = day.pay(later)
    until(lambda: bool(day.payments([later])[later]), seconds=60, what="it is mended by itself")
    assert wrong(day, "overseas") == []
    page.goto(at(day, "dead-letters/fixes/"))
    expect(page.locator("#main")).to_contain_text("Order_ID__c")


# What breaks meanwhile


def test_redis_may_stop_in_the_middle_of_a_group_retry(page: Page, day: Workday, watch: Watch) -> None:
    watch.allowed = ("WebSocket", "htmx:wsError", "[object Event]")
    begin(page, day, "south", per_minute="300")
    page.evaluate("window.notReloaded = true")
    retry = page.locator("#group-retry")
    expect(retry).to_contain_text("The rest is being retried", timeout=SOON)
    dead = in_navigation(page)

    day.redis.stop()
    assert not day.redis.listens()
    try:
        expect(retry).to_contain_text(f"{REFUSED['south']} worked", timeout=SOON)
        until(lambda: in_navigation(page) < dead, seconds=60, what="the page follows without it")
        assert wrong(day, "south") == []
    finally:
        day.redis.start()

    until(lambda: in_navigation(page) == day.fates()["dead"], seconds=60, what="the page has caught up")
    day.refuse("west", "Net__c")
    left = in_navigation(page)
    day.pay("west-1")
    expect(page.locator("#nav-dead")).to_have_attribute("data-count", str(left + 1), timeout=SOON)
    expect(page.locator("#arrivals")).to_contain_text("The list has changed")
    expect(page.locator("#lost")).to_be_hidden(timeout=SOON)
    assert page.evaluate("window.notReloaded")


def test_alerts_go_on_while_the_mail_server_is_down(page: Page, day: Workday) -> None:
    made = day.tell(
        "POST", "alert-channels/", kind="email", name="Night watch", addresses=["night@acme.test"]
    )
    day.tell(
        "POST", "alert-rules/", name="To the night watch", severities=["critical", "warning"],
        steps=[{"channel": made["channel"]["id"]}], per_hour=0,
    )  # fmt: skip
    page.goto(at(day, "alerts/"))
    wait_until_live(page)

    day.refuse("east", "Card_Brand__c")
    day.pay("east-1")
    expect(page.locator("article", has_text="(Card_Brand__c)")).to_be_visible(timeout=SOON)
    assert page.evaluate("window.notReloaded")
    plain = "plain-1"
    day.paid[plain] = day.pay(plain)
    until(lambda: wrong(day, plain) == [], seconds=60, what="a payment arrives all the same")

    page.goto(at(day, "alerts/messages/"))
    row = page.locator("tr", has_text="(Card_Brand__c)")
    expect(row).to_contain_text("Retrying", timeout=SOON)
    with day.mail_server() as box:
        expect(row).to_contain_text("Sent", timeout=SOON)
    mails = [mail for to, mail in box.mails if to == "night@acme.test"]
    assert len([mail for mail in mails if "(Card_Brand__c)" in str(mail["Subject"])]) == 1


# Customers


@pytest.mark.parametrize("answer", ["the same", "apart", "new"])
def test_a_question_about_a_duplicate_is_answered(page: Page, day: Workday, answer: str) -> None:
    page.goto(at(day, "questions/?kind=duplicate"))
    page.locator(".row-link", has_text="this account").first.click()
    customer = page.locator(".choice.told .id").inner_text().strip()
    person = day.asked[customer]
    buttons = {
        "the same": f"button[value='{person['account']}']",
        "apart": ".choices button[value=apart]",
        "new": ".choices button[value=new]",
    }
    page.locator(buttons[answer]).click()

    expect(page.locator("#question")).to_contain_text("Answered by olga@acme.test", timeout=SOON)
    until(lambda: bool(day.record_of(customer)), seconds=60, what="the run writes its record")
    account = day.record_of(customer)["Account__c"]
    assert (account == person["account"]) is (answer == "the same")
    assert day.account(account)["Name"] == person["name"]


def test_two_accounts_of_one_customer_become_one(page: Page, day: Workday) -> None:
    belonged = day.referring_to(day.gone)
    assert set(belonged) == set(OBJECTS)
    assert day.record_of(day.twin)["Id"] in belonged["Stripe_Customer__c"]
    page.goto(at(day, "merges/"))
    page.get_by_role("link", name="Merge records").first.click()
    page.get_by_label("Two or three records").fill(f"{day.kept}\n{day.gone}")
    page.get_by_role("button", name="Compare").click()
    page.locator(f"input[name='take.Name'][value='{day.gone}']").check()
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.locator("#merge")).to_contain_text("Nothing has changed yet")
    assert day.account(day.gone)["IsDeleted"] is False
    for name, ids in belonged.items():
        row = page.locator("tr", has=page.get_by_text(name, exact=True)).first
        expect(row.locator("strong")).to_have_text(str(len(ids)))

    page.get_by_label("These records are the same customer").check()
    page.get_by_role("button", name="Merge 2 records").click()
    expect(page.locator("#merge")).to_contain_text("The records are one now", timeout=SOON)

    assert merged(day, belonged) == []
    day.change(day.twin, contract="Pier 5")  # what comes from Stripe is written to the one that was kept
    until(lambda: day.account(day.kept)["Site"] == "Pier 5", seconds=60, what="the link leads to it")
    assert day.record_of(day.twin)["Account__c"] == day.kept


def merged(day: Workday, belonged: dict[str, list[str]]) -> list[str]:
    """Return what is not as it should be: of the accounts, of all that belonged to one, and of the links."""
    kept, gone = day.account(day.kept), day.account(day.gone)
    links = [one for one in day.whole("links/", q=day.twin) if one["salesforce_object"] == "Account"]
    found = {
        "one is gone": gone["IsDeleted"] and gone["MasterRecordId"] == day.kept,
        "the chosen name": kept["Name"] == "Quillfeather Maritime",
        "what only one had": kept["Phone"] == "+44 20 7946 0851",
        "what the other had": kept["Description"] == "Knows our captain",
        "nothing refers to the one that is gone": day.referring_to(day.gone) == {},
        "all of it refers to the one that is kept": day.referring_to(day.kept) == belonged,
        "the customer's record": day.record_of(day.twin)["Account__c"] == day.kept,
        "the link": [one["record_id"] for one in links] == [day.kept],
        "Stripe": day.is_at_stripe(day.twin),
    }
    return [what for what, holds in found.items() if not holds]


# What is unusual


def test_what_is_unusual_is_seen_to(page: Page, day: Workday) -> None:
    page.goto(at(day, "anomalies/"))
    told = page.locator("article.group h2").all_inner_texts()
    rows = [page.locator("article.group", has_text=text) for text in told]
    assert len(rows) >= 3  # and what is found meanwhile moves none of them
    rows[0].get_by_role("button", name="I take care").click()
    expect(rows[0]).to_contain_text("olga@acme.test takes care of it", timeout=SOON)
    rows[1].get_by_role("button", name="Mute").click()
    expect(rows[1]).to_contain_text("muted, or known to be unusual", timeout=SOON)
    rows[2].get_by_role("button", name="Not an anomaly").click()
    expect(rows[2]).to_contain_text("not an anomaly, says olga@acme.test", timeout=SOON)
    page.get_by_label("Measure").select_option("failed")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("svg.chart.band")).to_be_visible()

    page.goto(at(day, "alerts/"))
    alert = page.locator("article", has_text="1,240 dead letters").first
    alert.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("article", has_text="acknowledged by olga@acme.test").first).to_be_visible(
        timeout=SOON
    )


# In the evening


def test_in_the_end_everything_adds_up(page: Page, day: Workday) -> None:
    until(day.settled, seconds=60, what="nothing is under way")
    page.goto(at(day, "conservation/"))
    expect(page.locator("section.card").first).to_contain_text("Adds up")
    expect(page.locator("#main")).not_to_contain_text("Does not add up")
    kept, at_stripe = day.kept_events(), day.events_at_stripe()
    assert day.delivered() <= kept
    assert len(kept - at_stripe) == day.left["events"]
    for path in (
        "",
        "runs/",
        "runs/?fate=dead",
        "events/",
        "dead-letters/",
        "questions/",
        "alerts/",
        "links/",
        "merges/",
    ):
        page.goto(at(day, path))
