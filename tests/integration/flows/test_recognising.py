"""This module tests that customers are known from an org's records, and told apart as people decide."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command

from flows import retention, reviews
from flows.engine.outcome import AskHuman, Option
from flows.matching import Answered, Customer, InMemoryStore, Policy, block_keys, find, normalise, usual
from flows.matching.answers import APART, NEW
from flows.models import Directory, KnownKey, KnownRecord, KnownTerm, MatchDecision, Pair
from flows.models.duplicates import STALE
from flows.recognising import asking, deciding, heard, keeping, opening, rules
from flows.recognising.keeping import Found
from flows.recognising.store import DirectoryStore
from integrator.accounts.models import AuditEntry
from tests.benchmarks.lookalikes import World
from tests.builders import NOON
from tests.integration.flows.asking import a_question
from tests.integration.flows.given import a_live_flow

pytestmark = pytest.mark.django_db

HOEFER = {
    "name": "Höfer GmbH",
    "email": "info@hoefer.de",
    "phone": "0731 5551234",
    "city": "Ulm",
    "country": "DE",
}
ACME, BETA = "001000000000001AAA", "001000000000002AAA"


@pytest.fixture
def directory(pair: Pair) -> Directory:
    return a_directory(pair)


def a_directory(pair: Pair) -> Directory:
    """Return a directory that has been read, without anybody in it."""
    opening.begin(pair.salesforce_id, "Account", now=NOON)
    Directory.objects.update(complete_at=NOON, ended_at=NOON)
    return Directory.objects.get()


def know(directory: Directory, **records: dict[str, Any]) -> None:
    keeping.keep(directory, [Found(id, normalise(record), NOON) for id, record in records.items()])


def ask(directory: Directory, id: str = "cus_1", now: datetime = NOON, **fields: Any) -> Any:
    customer = Customer(id, {**HOEFER, **fields})
    (answer,) = asking.alike(directory.connection_id, "Account", [customer], now=now, expecting=True)
    return answer


def test_a_directory_answers_as_a_place_in_memory_does(directory: Directory) -> None:
    world, memory = World(7), InMemoryStore()
    known = list(world.customers(120))
    for customer in known:
        memory.add(customer["id"], normalise(customer))
    keeping.keep(directory, [Found(one["id"], normalise(one), NOON) for one in known])
    questions = [normalise(customer) for customer, _, _ in world.asked(known, 40)]

    answers = []
    for question in questions:
        store = DirectoryStore(directory)
        found = find(question, store, policy=Policy())
        answers.append((found.kind, [(store.named[one.id], one.waterfall) for one in found.candidates]))

    expected = [find(question, memory, policy=Policy()) for question in questions]
    assert answers == [
        (one.kind, [(candidate.id, candidate.waterfall) for candidate in one.candidates]) for one in expected
    ]
    assert any(one.candidates for one in expected)


def test_what_is_forgotten_leaves_nothing_behind(directory: Directory) -> None:
    know(directory, **{ACME: HOEFER})
    know(directory, **{ACME: {**HOEFER, "city": "Bonn"}})
    assert KnownTerm.objects.filter(number__gt=1).count() == 0

    assert keeping.forget(directory, [ACME, "001000000000009AAA"]) == 1

    assert [model.objects.count() for model in (KnownRecord, KnownKey, KnownTerm)] == [0, 0, 0]


def test_nothing_personal_can_be_read_in_a_dump(directory: Directory) -> None:
    know(directory, **{ACME: HOEFER})

    assert b"hoefer" not in bytes(KnownRecord.objects.get().sealed)
    keys = set(KnownKey.objects.values_list("key", flat=True))
    assert not keys & block_keys(normalise(HOEFER))


def test_nobody_is_new_before_the_customers_have_been_read(pair: Pair) -> None:
    customer = Customer("cus_1", HOEFER)

    (answer,) = asking.alike(pair.salesforce_id, "Account", [customer], now=NOON, expecting=True)

    assert answer.answered is Answered.UNREAD
    assert Directory.objects.get().object == "Account"


def test_a_new_customer_is_expected_until_its_record_has_been_read(directory: Directory) -> None:
    assert ask(directory, "cus_1").answered is Answered.NEW
    assert ask(directory, "cus_1").answered is Answered.NEW

    waits = ask(directory, "cus_2", name="Hofer")

    assert (waits.answered, waits.candidates[0].id) == (Answered.EXPECTED, "cus_1")
    directory.refresh_from_db()
    assert directory.due_at <= NOON + keeping.SOON


def test_two_that_are_alike_in_one_batch_are_not_both_new(directory: Directory) -> None:
    customers = [Customer("cus_1", HOEFER), Customer("cus_2", HOEFER)]

    answers = asking.alike(directory.connection_id, "Account", customers, now=NOON, expecting=True)

    assert [one.answered for one in answers] == [Answered.NEW, Answered.EXPECTED]


def test_of_two_workers_that_look_at_one_instant_the_second_finds_the_first(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = keeping.alone

    @contextmanager
    def slower(mine: Directory) -> Iterator[None]:
        monkeypatch.undo()
        assert ask(mine, "cus_1").answered is Answered.NEW  # by the other worker, in between
        with alone(mine):
            yield

    monkeypatch.setattr(keeping, "alone", slower)

    assert ask(directory, "cus_2", name="Hofer").answered is Answered.EXPECTED


def test_nobody_is_new_while_the_org_cannot_be_read(directory: Directory) -> None:
    later = NOON + STALE
    Directory.objects.update(caught_up_at=NOON)
    assert ask(directory, now=later).answered is Answered.UNREAD

    Directory.objects.update(caught_up_at=later)
    assert ask(directory, now=later).answered is Answered.NEW


def test_a_name_that_no_encoding_has_is_compared_all_the_same(directory: Directory) -> None:
    know(directory, **{ACME: {**HOEFER, "email": "h\ud800fer\x00@hoefer.de"}})

    assert ask(directory, email="h\ud800fer@hoefer.de").answered is Answered.PERHAPS


def a_duplicate(pair: Pair, told: Any) -> AskHuman:
    evidence = {
        "object": "Account",
        "customer": "cus_1",
        "candidates": [{"id": one.id, "findings": [list(found) for found in one.findings]} for one in told],
    }
    options = [Option(one.id, one.id) for one in told] + [Option(APART, "Another"), Option(NEW, "New")]
    return AskHuman("Is it?", kind="duplicate", options=options, evidence=evidence)


@pytest.mark.parametrize(
    ("answer", "after", "same"),
    [
        pytest.param(ACME, Answered.SAME, True, id="the same is known from then on"),
        pytest.param(APART, Answered.NEW, False, id="nobody asks again about another"),
        pytest.param(NEW, Answered.PERHAPS, None, id="a new one all the same teaches nothing"),
    ],
)
def test_what_a_person_said_is_remembered(
    directory: Directory, pair: Pair, answer: str, after: Answered, same: bool | None
) -> None:
    a_live_flow(pair)
    know(directory, **{ACME: HOEFER})
    asked = ask(directory)
    assert asked.answered is Answered.PERHAPS

    review = a_question(pair, a_duplicate(pair, asked.candidates))
    reviews.answer(review=review, value=answer, actor="otto", now=NOON)

    assert ask(directory).answered is after
    decided = MatchDecision.objects.first()
    assert (decided.same if decided else None) is same
    if decided:
        assert decided.findings == [list(one) for one in asked.candidates[0].findings]


def said(directory: Directory, record: str, *, same: bool = True, at: datetime = NOON) -> None:
    told = {"object": "Account", "customer": "cus_1", "candidates": [{"id": record}]}
    deciding.remember(directory.connection_id, told, record if same else APART, actor="otto", now=at)


def test_what_was_said_of_a_record_that_is_gone_says_nothing_any_more(directory: Directory) -> None:
    know(directory, **{ACME: HOEFER})
    said(directory, ACME)
    assert ask(directory).answered is Answered.SAME

    keeping.forget(directory, [ACME])

    assert ask(directory).answered is Answered.NEW


def test_what_was_said_of_a_record_that_is_gone_is_deleted_once_it_is_old(directory: Directory) -> None:
    know(directory, **{ACME: HOEFER})
    said(directory, ACME)
    said(directory, BETA)

    retention.purge_all(now=NOON + retention.REPORTED + timedelta(days=1), pause=0)

    assert MatchDecision.objects.get().record_id == ACME


def test_the_newest_word_about_a_customer_counts(directory: Directory) -> None:
    know(directory, **{ACME: HOEFER, BETA: HOEFER})
    said(directory, BETA, at=NOON)
    said(directory, ACME, at=NOON + timedelta(hours=1))
    assert ask(directory).candidates[0].id == ACME


def test_who_was_said_to_be_both_one_and_not_the_other_of_merged_records_is_asked_about_again(
    directory: Directory,
) -> None:
    know(directory, **{BETA: HOEFER})
    said(directory, ACME)
    said(directory, BETA, same=False)

    deciding.follow(directory.connection_id, "Account", {ACME: BETA})

    assert ask(directory).answered is Answered.PERHAPS


def test_an_event_of_a_deletion_makes_the_customer_unknown(
    directory: Directory, django_capture_on_commit_callbacks: Any
) -> None:
    know(directory, **{ACME: HOEFER})
    payload = {"type": "Account.deleted", "entity": "Account", "record_ids": [ACME]}

    with django_capture_on_commit_callbacks(execute=True):
        heard.note([(directory.connection_id, "Account.deleted", payload)], now=NOON)

    assert ask(directory).answered is Answered.NEW


def test_events_cost_one_statement_where_no_flow_recognises_customers(
    pair: Pair, django_capture_on_commit_callbacks: Any, django_assert_num_queries: Any
) -> None:
    event = (pair.salesforce_id, "Account.updated", {"type": "Account.updated"})

    with django_assert_num_queries(1), django_capture_on_commit_callbacks(execute=True):
        heard.note([event] * 100, now=NOON)


def decisions(directory: Directory, number: int, *, same: bool) -> None:
    findings = [["name", "different", 0.0], ["email", "exact", 0.0]]
    MatchDecision.objects.bulk_create(
        MatchDecision(
            connection=directory.connection, object="Account", stripe_id=f"cus_{same}{count}", record_id=ACME,
            same=same, findings=findings, decided_at=NOON, decided_by="otto",
        )
        for count in range(number)
    )  # fmt: skip


def test_fifty_decisions_teach_the_weights_once_a_day(directory: Directory) -> None:
    decisions(directory, 49, same=False)
    assert rules.learn_due(now=NOON) == 0

    decisions(directory, 1, same=True)
    assert rules.learn_due(now=NOON) == 1
    assert rules.learn_due(now=NOON + timedelta(hours=1)) == 0

    environment = directory.connection.environment
    taught = rules.of(environment.pk).weights
    assert taught is not None
    assert taught.bits("email", "exact") < usual().bits("email", "exact")
    assert AuditEntry.objects.get(action="match_rules.learned").details["decisions"] == 50


def test_nobody_alone_teaches_what_is_believed_of_everybody(directory: Directory) -> None:
    decisions(directory, rules.ALONE + 60, same=True)
    environment = directory.connection.environment
    assert len(rules.teaching(environment)) == rules.ALONE

    decisions(directory, rules.ALONE + 50, same=False)
    MatchDecision.objects.filter(same=False).update(decided_by="olga")
    assert len(rules.teaching(environment)) == 2 * rules.ALONE + 100


def test_lines_that_contradict_each_other_are_not_drawn(directory: Directory) -> None:
    environment = directory.connection.environment
    rules.draw(environment=environment, lines={"automatic": True, "auto": 8.0}, actor="ada", now=NOON)
    assert (rules.of(environment.pk).automatic, rules.of(environment.pk).auto) == (True, 8.0)

    for lines in ({"review": 9.0}, {"margin": -1.0}, {"auto": float("nan")}):
        with pytest.raises(rules.NoSuchLine):
            rules.draw(environment=environment, lines=lines, actor="ada", now=NOON)

    assert AuditEntry.objects.filter(action="match_rules.changed").count() == 1


def test_a_command_says_what_decisions_teach(
    directory: Directory, capsys: pytest.CaptureFixture[str]
) -> None:
    decisions(directory, 50, same=True)
    call_command("learn_matches", workspace="acme", environment="dev")

    (told,) = json.loads(capsys.readouterr().out)
    assert (told["learned"], told["decided"]) == (True, 50)
