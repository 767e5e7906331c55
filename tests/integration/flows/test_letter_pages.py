"""Pages of dead letters: what waits for a person, and what its buttons do."""

from __future__ import annotations

import pytest

from flows import deadletters
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


def test_causes_beyond_those_that_are_shown_are_not_passed_over_in_silence(
    reader: Reader, pair: Pair, live: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Name", "Amount__c", "Status__c"):
        a_dead_run(pair, field=name)
    assert "more cause" not in reader.page("dead-letters/")

    monkeypatch.setattr(letters, "MOST_GROUPS", 2)

    page = reader.page("dead-letters/")
    assert page.count('<article class="group"') == 2
    assert "1 more cause has older letters only" in page


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
