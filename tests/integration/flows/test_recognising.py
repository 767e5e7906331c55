"""This module tests that customers are known from an org's records, and told apart as people decide."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command

from connectors.models import Connection
from flows import directories, reviews, streams
from flows.engine.outcome import AskHuman, Option
from flows.matching import Answered, Customer, InMemoryStore, Policy, block_keys, find, normalise, usual
from flows.matching.answers import APART, NEW
from flows.models import Directory, KnownKey, KnownRecord, KnownTerm, MatchDecision, Pair
from flows.recognising import asking, heard, keeping, opening, rules
from flows.recognising.keeping import Found
from flows.recognising.store import DirectoryStore
from integrator.accounts.models import AuditEntry
from integrator.kernel.errors import Transient
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
ROW = {"Name": "Höfer GmbH", "Phone": "0731 5551234", "BillingCity": "Ulm", "BillingCountry": "DE"}
ACME = "001000000000001AAA"


@pytest.fixture
def directory(pair: Pair) -> Directory:
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


class Org:
    """An org with accounts, as the walk asks it."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.deleted: list[str] = []
        self.asked: list[str] = []

    def put(self, number: int, at: datetime = NOON, **fields: Any) -> str:
        id = f"001000000000{number:03d}AAA"
        self.rows[id] = {"Id": id, "SystemModstamp": at.isoformat(), **ROW, **fields}
        return id

    def ask(self, connection: Connection, action: str, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(action)
        if action == "deleted":
            return {"records": [{"id": id} for id in self.deleted]}
        if action == "find":
            return {"records": [self.rows[id] for id in request["values"] if id in self.rows]}
        bound = request["bindings"]
        place = (bound["since"], bound.get("after", ""))
        rows = sorted(self.rows.values(), key=lambda row: (row["SystemModstamp"], row["Id"]))
        stamped = ((datetime.fromisoformat(row["SystemModstamp"]), row["Id"], row) for row in rows)
        return {"records": [row for at, id, row in stamped if (at, id) > place][: directories.PAGE]}


@pytest.fixture
def org(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> Org:
    org = Org()
    monkeypatch.setattr(streams, "ask", org.ask)
    monkeypatch.setattr(directories, "PAGE", 2)
    opening.begin(pair.salesforce_id, "Account", now=NOON)
    return org


def known() -> list[str]:
    return sorted(KnownRecord.objects.values_list("record_id", flat=True))


def test_an_org_is_read_page_by_page_and_then_kept_up_to_date(org: Org) -> None:
    ids = [org.put(number) for number in range(5)]
    assert directories.read_due(now=NOON) == 5
    directory = Directory.objects.get()
    assert (known(), directory.read, directory.complete_at) == (ids, 5, NOON)

    later = NOON + timedelta(minutes=20)
    ids.append(org.put(7, later, Name="Beta AG"))
    del org.rows[ids[0]]
    org.deleted.append(ids.pop(0))
    directories.read_due(now=later)

    assert known() == ids


def test_reading_goes_on_where_it_broke_off(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        org.put(number)
    monkeypatch.setattr(directories, "PAGES", 1)
    directories.read_due(now=NOON)

    def fail(*_: Any) -> Any:
        raise Transient("no answer")

    monkeypatch.setattr(streams, "ask", fail)
    directories.read_due(now=NOON)
    failed = Directory.objects.get()
    assert (failed.failure, failed.complete_at, failed.read) == ("no answer", None, 2)

    monkeypatch.setattr(streams, "ask", org.ask)
    monkeypatch.setattr(directories, "PAGES", 9)
    assert directories.read_due(now=failed.due_at) == 3
    assert Directory.objects.get().complete_at is not None


def test_a_deletion_that_nobody_told_is_found_when_everything_is_read_anew(org: Org) -> None:
    gone, stays = org.put(1), org.put(2)
    directories.read_due(now=NOON)
    del org.rows[gone]

    directories.read_due(now=NOON + directories.RENEWED)

    assert known() == [stays]


def test_directories_begin_and_end_with_the_flows_that_need_them(pair: Pair) -> None:
    a_live_flow(pair)
    assert directories.begin_due(now=NOON) == 0
    opening.begin(pair.salesforce_id, "Account", now=NOON)
    know(Directory.objects.get(), **{ACME: HOEFER})

    directories.begin_due(now=NOON)
    directories.begin_due(now=NOON + directories.UNUSED)

    assert (Directory.objects.count(), KnownRecord.objects.count()) == (0, 0)


def test_an_event_of_a_deletion_makes_the_customer_unknown(
    directory: Directory, django_capture_on_commit_callbacks: Any
) -> None:
    know(directory, **{ACME: HOEFER})
    payload = {"type": "Account.deleted", "entity": "Account", "record_ids": [ACME]}

    with django_capture_on_commit_callbacks(execute=True):
        heard.note([(directory.connection_id, "Account.deleted", payload)], now=NOON)

    assert ask(directory).answered is Answered.NEW


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


def test_lines_that_contradict_each_other_are_not_drawn(directory: Directory) -> None:
    environment = directory.connection.environment
    rules.draw(environment=environment, lines={"automatic": True, "auto": 8.0}, actor="ada", now=NOON)
    assert (rules.of(environment.pk).automatic, rules.of(environment.pk).auto) == (True, 8.0)

    for lines in ({"review": 9.0}, {"margin": -1.0}, {"auto": float("nan")}):
        with pytest.raises(rules.NoSuchLine):
            rules.draw(environment=environment, lines=lines, actor="ada", now=NOON)

    assert AuditEntry.objects.filter(action="match_rules.changed").count() == 1


def test_a_command_reads_all_customers_at_once_and_says_how_many_there_are(
    org: Org, pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        org.put(number)
    call_command("know_customers", object="Account", connection=pair.salesforce.public_id)

    (told,) = json.loads(capsys.readouterr().out)
    assert (told["object"], told["known"], told["failure"]) == ("Account", 5, "")


def test_a_command_says_what_decisions_teach(
    directory: Directory, capsys: pytest.CaptureFixture[str]
) -> None:
    decisions(directory, 50, same=True)
    call_command("learn_matches", workspace="acme", environment="dev")

    (told,) = json.loads(capsys.readouterr().out)
    assert (told["learned"], told["decided"]) == (True, 50)
