"""Pages of dead letters: what waits for a person, and what its buttons do."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qsl

import pytest

from flows import deadletters, grouping, stepping
from flows.engine.outcome import Failure
from flows.models import DeadLetter, Deployment, Pair, Run
from flows.views import letters
from integrator.accounts.models import AuditEntry
from tests.builders import NOON, a_pair, an_environment
from tests.integration.flows.given import a_live_flow, an_event
from tests.integration.flows.reading import Reader, a_dead_run

pytestmark = pytest.mark.django_db


def test_letters_of_one_cause_stand_together(reader: Reader, pair: Pair, live: Deployment) -> None:
    for _ in range(3):
        a_dead_run(pair)
    a_dead_run(pair, field="Name")

    page = reader.page("dead-letters/")

    assert page.count('<article class="group"') == 2
    assert "Retry all 3" in page
    assert page.count("Mend</a>") == 2  # what helps one of many can be approved for all of them
    assert "Give it a default in the mapping" in page or "give it a default in the mapping" in page


def fields_of(page: str) -> list[str]:
    """Return the fields of the causes that a page shows, in their order."""
    return re.findall(r"data-row>[^<]* · (\w+)</a>", page)


def turned(page: str, rel: str) -> dict[str, str]:
    """Return the query of the page before or after."""
    (found,) = re.findall(rf'href="[^"?]*\?([^"]*)" rel="{rel}"', page)
    return dict(parse_qsl(unescape(found)))


def test_causes_are_shown_page_by_page_and_what_comes_shifts_none(
    reader: Reader, pair: Pair, live: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "CAUSES", 2)
    names = ["A__c", "B__c", "C__c", "D__c", "E__c"]
    for name in names:
        a_dead_run(pair, field=name)
    a_dead_run(pair, field="D__c")

    first = reader.page("dead-letters/")
    a_dead_run(pair, field="A__c")  # the oldest is the newest now
    second = reader.page("dead-letters/", **turned(first, "next"))
    back = reader.page("dead-letters/", **turned(second, "prev"))

    assert (fields_of(first), fields_of(second)) == (["D__c", "E__c"], ["C__c", "B__c"])
    assert 'rel="next"' not in second
    assert fields_of(back) == ["D__c", "E__c"]
    assert fields_of(reader.page("dead-letters/")) == ["A__c", "D__c"]


def test_a_list_that_takes_too_long_says_how_far_it_has_come(
    reader: Reader, pair: Pair, live: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_dead_run(pair, field="Old__c")
    for _ in range(4):
        a_dead_run(pair, field="New__c")
    monkeypatch.setattr(stepping, "FIRST", 2)
    monkeypatch.setattr(stepping, "TIME", -1.0)  # after one step it is over

    page = reader.page("dead-letters/")
    beyond = reader.page("dead-letters/", **turned(page, "next"))
    searched = reader.page("dead-letters/", q="Old__c")

    assert fields_of(page) == ["New__c"]
    assert "Not all causes have been looked through yet" in page
    assert fields_of(beyond) == []
    assert "The older ones have not been looked through yet" in searched


def test_a_cause_of_very_many_is_counted_no_further(
    reader: Reader, pair: Pair, live: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        a_dead_run(pair)
    monkeypatch.setattr(grouping, "MOST_COUNTED", 3)

    page = reader.page("dead-letters/")

    assert "Discard all 3+" in page


def test_one_letter_is_retried(reader: Reader, pair: Pair, live: Deployment) -> None:
    run = a_dead_run(pair)
    letter = run.dead_letters.get()

    answer = reader.press(f"dead-letters/{letter.public_id}/retry/")

    assert answer.status_code == 204
    assert "It is tried again" in answer.headers["HX-Trigger"]
    assert Run.objects.get(pk=run.pk).state == "ready"
    again = reader.press(f"dead-letters/{letter.public_id}/retry/")
    assert again.status_code == 409
    assert "already retried by otto@acme.test" in again.headers["HX-Trigger"]


def test_a_whole_cause_is_retried_and_others_are_left(reader: Reader, pair: Pair, live: Deployment) -> None:
    dead = [a_dead_run(pair), a_dead_run(pair)]
    other = a_dead_run(pair, field="Name")

    reader.press(f"dead-letters/causes/{dead[0].dead_letters.get().fingerprint}/retry/")

    assert [run.state for run in Run.objects.order_by("id")] == ["ready", "ready", "dead"]
    assert other.dead_letters.get().resolved_at is None


def test_many_of_a_cause_are_not_retried_by_one_click(reader: Reader, pair: Pair, live: Deployment) -> None:
    for _ in range(6):
        run = a_dead_run(pair)
    path = f"dead-letters/causes/{run.dead_letters.get().fingerprint}/"

    pages = [reader.page("dead-letters/"), reader.page(path)]
    pressed = reader.press(f"{path}retry/")

    for page in pages:
        assert f'hx-get="/w/acme/dev/{path}try-one/?start=all" hx-target="#dialog">Retry all 6…' in page
        assert f'hx-post="/w/acme/dev/{path}retry/"' not in page
    assert pressed.status_code == 409
    assert "See first what retrying all of them means" in pressed.headers["HX-Trigger"]
    assert DeadLetter.objects.unresolved().count() == 6


def test_a_letter_is_discarded_only_with_a_reason(reader: Reader, pair: Pair, live: Deployment) -> None:
    letter = a_dead_run(pair).dead_letters.get()

    assert reader.press(f"dead-letters/{letter.public_id}/discard/", reason=" ").status_code == 422
    reader.press(f"dead-letters/{letter.public_id}/discard/", reason="Entered by hand")

    assert DeadLetter.objects.get(pk=letter.pk).resolution == "discarded"
    assert AuditEntry.objects.filter(action="deadletter.discarded").count() == 1


def test_a_whole_cause_is_discarded_with_one_reason(reader: Reader, pair: Pair, live: Deployment) -> None:
    dead = [a_dead_run(pair), a_dead_run(pair)]
    other = a_dead_run(pair, field="Name")
    path = f"dead-letters/causes/{dead[0].dead_letters.get().fingerprint}/discard/"

    assert reader.press(path, reason=" ").status_code == 422
    answer = reader.press(path, reason="Entered by hand")

    assert "2 are discarded" in answer.headers["HX-Trigger"]
    assert [run.fate for run in Run.objects.order_by("id")] == ["discarded", "discarded", "dead"]
    assert other.dead_letters.get().resolved_at is None
    assert reader.press(path, reason="Again").status_code == 409


def test_a_group_offers_nothing_for_a_letter_that_it_does_not_name(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    dead = [a_dead_run(pair), a_dead_run(pair)]

    listed = reader.page("dead-letters/")
    opened = reader.page(f"dead-letters/causes/{dead[0].dead_letters.get().fingerprint}/")

    assert "Retry one" not in listed
    assert f'aria-label="Retry {dead[0].event.external_id}"' in opened


def test_events_that_cannot_be_read_are_to_be_discarded(reader: Reader, pair: Pair) -> None:
    for number in range(2):
        event = an_event(pair.stripe, external_id=f"unreadable:{number}", unreadable="The body is not JSON")
        failure = Failure("unknown", "The body is not JSON", code="unreadable")
        deadletters.file([deadletters.Obituary(event.pk, failure)], now=NOON)

    page = reader.page("dead-letters/")

    assert '<button class="button danger primary" type="button"' in page
    assert "Discard all 2" in page
    assert 'class="button primary" id="all-' not in page


def test_production_wants_its_name_typed(reader: Reader) -> None:
    pair = a_pair(an_environment("production"))
    a_live_flow(pair)
    letter = a_dead_run(pair).dead_letters.get()
    path = f"dead-letters/{letter.public_id}/discard/"

    refused = reader.press(path, "production", reason="No", confirmation="yes")
    reader.press(path, "production", reason="No", confirmation="PRODUCTION")

    assert refused.status_code == 422
    assert DeadLetter.objects.get(pk=letter.pk).resolution == "discarded"


def test_without_htmx_the_browser_is_led_back(reader: Reader, pair: Pair, live: Deployment) -> None:
    letter = a_dead_run(pair).dead_letters.get()

    answer = reader.client.post(f"/w/acme/dev/dead-letters/{letter.public_id}/retry/", follow=True)

    assert answer.redirect_chain[-1][0] == "/w/acme/dev/dead-letters/"
    assert "It is tried again" in answer.content.decode()


def test_a_letter_of_another_environment_is_not_there(reader: Reader, pair: Pair, live: Deployment) -> None:
    letter = a_dead_run(pair).dead_letters.get()
    an_environment("qa")

    assert reader.press(f"dead-letters/{letter.public_id}/retry/", "qa").status_code == 404
    assert DeadLetter.objects.get(pk=letter.pk).resolved_at is None
