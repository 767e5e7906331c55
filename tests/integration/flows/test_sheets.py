"""Lists as files: what the address leaves, whole or plainly cut, inert, for whom the list is, and noted."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from flows import causes
from flows.models import Deployment, Event, Merge, Pair, Review, Run
from integrator import sheets
from integrator.accounts.models import AuditEntry
from monitoring.models import Payment
from tests.answered import said
from tests.builders import NOON, a_person
from tests.integration.flows.asking import SURE, a_question
from tests.integration.flows.given import an_event, runs
from tests.integration.flows.reading import Reader, a_dead_run

pytestmark = pytest.mark.django_db

FORMULA = '=HYPERLINK("https://evil.test","Jenny")'


class Sent:
    """A file that was downloaded."""

    def __init__(self, reader: Reader, path: str, **query: str) -> None:
        self.answer = reader.client.get(f"/w/acme/dev/{path}", query)
        assert self.answer.status_code == 200
        self.text = said(self.answer).decode()
        rows = list(csv.reader(io.StringIO(self.text.removeprefix("\ufeff"), newline="")))
        self.head, self.rows = rows[0], rows[1:]

    def column(self, name: str) -> list[str]:
        """Return the cells below a heading."""
        return [row[self.head.index(name)] for row in self.rows]


def test_runs_are_those_of_the_list_with_amounts_in_major_units(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    one, other = runs(pair, 2)
    Run.objects.filter(pk=one.pk).update(amount=-1990, currency="EUR", reason=FORMULA)
    Run.objects.filter(pk=other.pk).update(state="waiting", fate="waiting", amount=500, currency="XXX")

    every, waiting = Sent(reader, "runs.csv"), Sent(reader, "runs.csv", fate="waiting")

    assert every.text.startswith("\ufeff")
    assert every.column("Run") == [other.public_id, one.public_id]
    assert Decimal(every.column("Amount")[1]) == Decimal("-19.90")
    assert every.column("Currency") == ["XXX, minor units", "EUR"]
    assert every.column("Reason")[1] == f"'{FORMULA}"
    assert waiting.column("Run") == [other.public_id]
    assert every.answer["Content-Type"] == "text/csv; charset=utf-8"
    assert every.answer["Content-Disposition"].startswith('attachment; filename="runs-')
    assert every.answer["Cache-Control"] == "no-store"


def test_events_are_narrowed_as_their_list_is_and_tell_no_content(reader: Reader, pair: Pair) -> None:
    wanted, _ = an_event(pair.stripe, type="rare"), an_event(pair.stripe)
    Event.objects.filter(pk=wanted.pk).update(unreadable=f"-{FORMULA}")

    sent = Sent(reader, "events.csv", type="rare")

    assert sent.column("Event") == [wanted.external_id]
    assert sent.column("Reason") == [f"'-{FORMULA}"]
    assert "Body" not in sent.head


def test_letters_are_those_of_the_causes_that_are_shown_or_of_one(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    hostile, later = a_dead_run(pair, message=FORMULA), a_dead_run(pair, field="Later__c")
    letters = [run.dead_letters.get() for run in (hostile, later)]
    who = {"environment": pair.environment, "actor": "ada@acme.test", "now": timezone.now()}
    causes.snooze(fingerprint=letters[1].fingerprint, until=timezone.now() + timedelta(days=1), **who)
    causes.tag(fingerprint=letters[0].fingerprint, names=["@urgent"], **who)

    shown, put_off = Sent(reader, "dead-letters.csv"), Sent(reader, "dead-letters.csv", snoozed="yes")
    of_cause = Sent(reader, "dead-letters.csv", cause=letters[1].fingerprint)

    assert shown.column("Letter") == [letters[0].public_id]
    assert shown.column("Message") == [f"'{FORMULA}"]
    assert shown.column("Tags") == ["'@urgent"]
    assert put_off.column("Letter") == of_cause.column("Letter") == [letters[1].public_id]


def test_merges_are_those_of_the_tab(reader: Reader, pair: Pair) -> None:
    usual = {
        "connection": pair.salesforce, "object": "Account", "label": FORMULA, "master": "001000000000001AAA",
        "losers": ["001000000000002AAA"], "preset": "keep", "before": b"", "sent": b"",
        "actor": "ada@acme.test", "created_at": timezone.now(),
    }  # fmt: skip
    done, _ = Merge.objects.create(state="done", **usual), Merge.objects.create(**usual)

    sent = Sent(reader, "merges.csv", state="done")

    assert sent.column("Merge") == [done.public_id]
    assert sent.column("Object") == [f"'{FORMULA}"]


def test_questions_are_those_of_the_tab_and_the_kind_without_secrets_or_evidence(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    asked, several = a_question(pair, SURE), a_question(pair)
    closed = a_question(pair)
    Review.objects.filter(pk=several.pk).update(question=FORMULA)
    Review.objects.filter(pk=closed.pk).update(
        closed_at=NOON, resolution="answered", answer="yes", closed_by="ada@acme.test", comment=f"-{FORMULA}"
    )

    every, narrowed = Sent(reader, "questions.csv"), Sent(reader, "questions.csv", kind="several")
    over = Sent(reader, "questions.csv", show="closed")

    assert every.column("Question") == [several.public_id, asked.public_id]
    assert every.column("What is asked")[0] == f"'{FORMULA}"
    assert narrowed.column("Question") == [several.public_id]
    assert over.column("Question") == [closed.public_id]
    assert (over.column("Answer"), over.column("Closed by")) == (["yes"], ["ada@acme.test"])
    assert over.column("Comment") == [f"'-{FORMULA}"]
    assert "sk_test_4eC39HqLyjWDarjtT1zdp7dc" not in every.text
    assert "6735" not in every.text  # what helps to answer is what events carry


def test_payments_are_those_of_the_list_with_what_has_become_of_each(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    run = a_dead_run(pair)
    Run.objects.filter(pk=run.pk).update(reason=FORMULA)
    Event.objects.filter(pk=run.event_id).update(fate="dead")
    now = timezone.now()
    usual = {"connection": pair.stripe, "last_event": 1, "amount": 1990}
    dead = Payment.objects.create(
        key="pi_dead", charge=run.event.object_id, currency="EUR", state="dead", told_at=now, **usual
    )
    odd = Payment.objects.create(key="pi_odd", currency="XXX", state="confirmed", told_at=now, **usual)
    Payment.objects.create(
        key="pi_old", currency="EUR", state="dead", told_at=now - timedelta(days=35), **usual
    )

    every, narrowed = Sent(reader, "payments.csv"), Sent(reader, "payments.csv", state="dead")

    assert every.column("Payment") == [odd.key, dead.key]
    assert every.column("Amount")[0] == "1990"
    assert every.column("Currency") == ["XXX, minor units", "EUR"]
    assert narrowed.column("Payment") == [dead.key]
    assert Decimal(narrowed.column("Amount")[0]) == Decimal("19.90")
    assert narrowed.column("Reason") == [f"'{FORMULA}"]
    assert narrowed.column("Run") == [run.public_id]
    assert narrowed.column("Event") == [run.event.external_id]
    assert AuditEntry.objects.latest("position").details == {
        "environment": "dev", "state": "dead", "period": "30d",
    }  # fmt: skip


def test_a_file_that_is_cut_says_so(
    reader: Reader, pair: Pair, live: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(pair, 5)
    monkeypatch.setattr(sheets, "AT_ONCE", 2)

    for most, cut in ((5, False), (4, True), (3, True)):
        monkeypatch.setattr(sheets, "MOST", most)
        rows = Sent(reader, "runs.csv").rows
        assert (rows[-1] == [sheets.CUT], len(rows) - cut) == (cut, min(most, 5))


def test_it_is_noted_who_has_downloaded_what(reader: Reader, pair: Pair) -> None:
    Sent(reader, "events.csv", type="charge.failed", before="MTA")

    entry = AuditEntry.objects.latest("position")
    assert (entry.action, entry.target) == ("list.downloaded", "events")
    assert entry.details == {"environment": "dev", "type": "charge.failed"}


def test_who_belongs_elsewhere_gets_no_file(client: Client, pair: Pair) -> None:
    client.force_login(a_person("eve@else.test", None))

    names = ("runs", "events", "merges", "questions", "payments")
    answers = {client.get(f"/w/acme/dev/{name}.csv").status_code for name in names}

    assert answers == {404}
    assert not AuditEntry.objects.filter(action="list.downloaded").exists()


def test_the_lists_lead_to_their_files_with_what_they_are_narrowed_to(
    reader: Reader, pair: Pair, live: Deployment
) -> None:
    a_dead_run(pair)
    event = an_event(pair.stripe, type="rare")

    assert "/w/acme/dev/runs.csv?fate=dead" in reader.page("runs/", fate="dead")
    assert event.external_id in (events := reader.page("events/", type="rare", before="ODk5OTk5OTk"))
    assert "/w/acme/dev/events.csv?type=rare&quot;" in events.replace('"', "&quot;")
    assert "/w/acme/dev/dead-letters.csv" in reader.page("dead-letters/")
    assert "questions.csv" not in reader.page("questions/")  # of nothing there is no file
    a_question(pair, SURE)
    assert "/w/acme/dev/questions.csv?kind=question" in reader.page("questions/", kind="question")
    Payment.objects.create(
        connection=pair.stripe, key="pi_1", last_event=1, amount=1, currency="EUR", told_at=timezone.now()
    )
    assert "/w/acme/dev/payments.csv?currency=EUR" in reader.page("payments/", currency="EUR")
